// One WebSocket to the gateway (docs/protocol.md). When it is lost it is opened again, with growing pauses that differ from page to
// page; a line that has gone quiet is asked whether it still lives.
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15000;
const QUIET_MS = 15000;
const ANSWER_MS = 8000;
const RESYNC_MS = 2000;
const MOST_SOUND_WAITING = 64000;

export class Connection {
  #socket = null;
  #pause = FIRST_PAUSE_MS;
  #again = 0;
  #pulse = 0;
  #resynced = 0;

  // listeners: message(object), sound(ArrayBuffer), state("connecting" | "open" | "lost", { retryAt })
  constructor(listeners) {
    this.listeners = listeners;
    addEventListener("online", () => this.retry());
    // The browser stops timers of a page that sleeps; when it wakes, nothing is waited for.
    document.addEventListener("visibilitychange", () => document.hidden || this.retry());
    addEventListener("pageshow", (event) => event.persisted && this.retry());
  }

  get session() {
    return sessionStorage.getItem("session") ?? "";
  }

  open() {
    clearTimeout(this.#again);
    this.#again = 0;
    const url = new URL("/ws", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    if (this.session) url.searchParams.set("session", this.session);
    this.listeners.state("connecting", {});
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return;
      this.#listen();
      if (typeof data !== "string") {
        this.listeners.sound(data);
        return;
      }
      const message = JSON.parse(data);
      if (message.type === "welcome") {
        // Only a line that speaks is one: a proxy that accepts and says nothing is not.
        this.#pause = FIRST_PAUSE_MS;
        sessionStorage.setItem("session", message.session);
        this.listeners.state("open", {});
      }
      this.listeners.message(message);
      // Something was missed: everything is asked for anew, as after a loss.
      if (message.type === "resync" && Date.now() - this.#resynced > RESYNC_MS) {
        this.#resynced = Date.now();
        this.listeners.state("open", {});
      }
    };
    socket.onclose = () => {
      if (socket === this.#socket) this.#lost();
    };
    this.#listen();
  }

  // At once instead of at the end of the pause.
  retry() {
    if (this.#again) this.open();
  }

  #lost() {
    clearTimeout(this.#pulse);
    clearTimeout(this.#again);
    this.#socket = null;
    const pause = this.#pause * (0.5 + Math.random());
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
    this.#again = setTimeout(() => this.open(), pause);
    this.listeners.state("lost", { retryAt: Date.now() + pause });
  }

  // Nothing came for a while: something is asked; without an answer the line is given up.
  #listen() {
    clearTimeout(this.#pulse);
    this.#pulse = setTimeout(() => {
      this.send({ type: "car" });
      this.#pulse = setTimeout(() => {
        const silent = this.#socket;
        this.#lost();
        silent?.close();
      }, ANSWER_MS);
    }, QUIET_MS);
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
