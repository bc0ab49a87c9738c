// Calls of the desk's API (docs/desk.md). The session is a cookie the page cannot read; what changes something carries the
// CSRF token as well.
export class Api {
  #csrf = "";

  get csrf() {
    return this.#csrf;
  }

  async me() {
    return this.#entered(await this.#call("GET", "/api/v1/me"));
  }

  async login(name, password) {
    return this.#entered(await this.#call("POST", "/api/v1/login", { name, password }));
  }

  async logout() {
    await this.#call("POST", "/api/v1/logout", {});
  }

  queue(states) {
    return this.#call("GET", `/api/v1/handoffs${states ? `?state=${states}` : ""}`);
  }

  get(path) {
    return this.#call("GET", path);
  }

  whole(id) {
    return this.#call("GET", this.#one(id));
  }

  step(id, name, body = {}) {
    return this.#call("POST", `${this.#one(id)}/${name}`, body);
  }

  exported(id, format) {
    return `${this.#one(id)}/export?format=${format}`;
  }

  // Events from `after` on; the browser comes back by itself with the number of the last one.
  events(after, { event, state }) {
    const source = new EventSource(`/api/v1/events?after=${after}`);
    source.onopen = () => state("open");
    source.onerror = () => state(source.readyState === EventSource.CLOSED ? "closed" : "lost");
    source.onmessage = ({ data }) => event(JSON.parse(data));
    return source;
  }

  #one(id) {
    return `/api/v1/handoffs/${encodeURIComponent(id)}`;
  }

  #entered(who) {
    this.#csrf = who.csrf;
    return who;
  }

  async #call(method, path, body) {
    const headers = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (method !== "GET") headers["X-CSRF-Token"] = this.#csrf;
    const response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), credentials: "same-origin" });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw Object.assign(new Error(answer.detail || answer.error || String(response.status)), { status: response.status });
    return answer;
  }
}

export const newId = () => `op-${Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("")}`;
