// One WebSocket to the gateway (docs/protocol.md), opened again with growing pauses when it is lost.
export class Connection {
  #socket = null;
  #pause = 500;

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
    this.#socket = socket;
    socket.onopen = () => {
      this.#pause = 500;
      this.listeners.state("open");
    };
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "welcome") sessionStorage.setItem("session", message.session);
      this.listeners.message(message);
    };
    socket.onclose = () => {
      this.listeners.state("lost");
      setTimeout(() => this.open(), this.#pause);
      this.#pause = Math.min(this.#pause * 2, 10000);
    };
  }

  send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }
}
