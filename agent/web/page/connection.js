// One WebSocket to the gateway (docs/protocol.md), opened again with growing pauses when it is lost.
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10000;
const MOST_SOUND_WAITING = 64000;

export class Connection {
  #socket = null;
  #pause = FIRST_PAUSE_MS;

  // listeners: message(object), sound(ArrayBuffer), state("connecting" | "open" | "lost")
  constructor(token, listeners) {
    this.token = token;
    this.listeners = listeners;
  }

  get session() {
    return sessionStorage.getItem("session") ?? "";
  }

  open() {
    const url = new URL("/ws", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    if (this.session) url.searchParams.set("session", this.session);
    if (this.token) url.searchParams.set("token", this.token);
    this.listeners.state("connecting");
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.onopen = () => {
      this.#pause = FIRST_PAUSE_MS;
      this.listeners.state("open");
    };
    socket.onmessage = ({ data }) => {
      if (typeof data !== "string") {
        this.listeners.sound(data);
        return;
      }
      const message = JSON.parse(data);
      if (message.type === "welcome") sessionStorage.setItem("session", message.session);
      this.listeners.message(message);
    };
    socket.onclose = () => {
      this.listeners.state("lost");
      setTimeout(() => this.open(), this.#pause);
      this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
    };
  }

  // False: the line is down and nothing was sent.
  send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  // What the microphone hears; on a line that does not keep up it is left out rather than late.
  sendSound(buffer) {
    if (this.#socket?.readyState !== WebSocket.OPEN || this.#socket.bufferedAmount > MOST_SOUND_WAITING) return false;
    this.#socket.send(buffer);
    return true;
  }
}
