// What is on the page.
import { words } from "./words.js";

const EVENTS_SHOWN = 200;

export class View {
  onSay = () => false;
  onLanguage = () => {};
  onDrive = () => {};
  onBack = () => {};
  onPush = () => {};
  #seen = new Set();

  constructor(page) {
    this.page = page;
    this.at = (id) => page.getElementById(id);
    this.at("language").value = localStorage.getItem("language") ?? "auto";
    this.at("language").addEventListener("change", () => {
      localStorage.setItem("language", this.language);
      this.label();
      this.onLanguage(this.language);
    });
    this.at("drive").addEventListener("change", () => this.onDrive(Number(this.at("drive").value)));
    this.at("say").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.at("text").value;
      if (text.trim() && this.say(text)) this.at("text").value = "";
    });
    this.at("back").addEventListener("click", () => this.onBack());
    this.label();
  }

  get language() {
    return this.at("language").value;
  }

  get words() {
    const shown = this.language === "auto" ? (navigator.language.startsWith("ja") ? "ja" : "en") : this.language;
    return words[shown];
  }

  label() {
    this.page.documentElement.lang = this.words.lang;
    for (const [id, key] of [["talk-title", "talk"], ["events-title", "events"], ["send", "send"], ["drive-label", "drive"], ["language-label", "language"], ["back", "back"]]) {
      this.at(id).textContent = this.words[key];
    }
    this.at("text").placeholder = this.words.placeholder;
    this.at("text").setAttribute("aria-label", this.words.placeholder);
  }

  say(text) {
    if (this.onSay(text)) return true;
    this.state("lost");
    return false;
  }

  state(state) {
    this.at("state").textContent = state === "open" ? "" : this.words[state];
    this.at("send").disabled = state !== "open";
  }

  show(message) {
    const show = {
      heard: () => this.line("driver", message.text, message.language),
      spoke: () => {
        this.line(message.context === "apology" ? "agent apology" : "agent", message.text, message.language);
        this.replies(message.quick_replies);
      },
      notice: () => this.line("agent notice", message.text, message.language),
      car: () => this.car(message),
      welcome: () => this.owner(message.owner),
      handoff_so_far: () => this.soFar(message.events),
      handoff: () => this.handoff(message),
      operator: () => this.operator(message),
      push: () => this.pushed(message),
    }[message.type];
    show?.();
    if (!["car", "welcome", "handoff_so_far"].includes(message.type)) this.event(message);
  }

  // The line belongs to the operator: the agent is mute, and a button leads back to it.
  owner(owner) {
    const operator = owner === "operator";
    this.page.body.classList.toggle("operator", operator);
    this.at("back").hidden = !operator;
  }

  // After a lost connection: what was said meanwhile; what is shown already is left out.
  soFar(events) {
    const fresh = this.at("talk").childElementCount === 0;
    for (const event of events) {
      if (this.#seen.has(this.key(event))) continue;
      if (["heard", "spoke"].includes(event.type) && !fresh) continue;
      this.show(event);
    }
  }

  key(event) {
    return `${event.type}:${event.id ?? event.turn}:${event.state ?? ""}:${event.at ?? ""}`;
  }

  handoff(event) {
    this.#seen.add(this.key(event));
    this.owner(event.owner);
    if (event.text) this.line("line", event.text, event.language);
    if (event.state !== "accepted" && event.owner === "agent") this.at("pushes").replaceChildren();
  }

  operator(event) {
    this.#seen.add(this.key(event));
    this.line("person", `${event.author ? `${event.author}: ` : ""}${event.text}`, event.language);
  }

  pushed(event) {
    this.#seen.add(this.key(event));
    if (event.text) this.line("line", event.text, event.language);
    this.at("pushes").replaceChildren();
    if (event.state !== "sent") return;
    const button = (text, accept) => {
      const made = this.page.createElement("button");
      made.type = "button";
      made.textContent = text;
      made.addEventListener("click", () => this.onPush(event.id, accept));
      return made;
    };
    this.at("pushes").append(button(this.words.accept, true), button(this.words.refuse, false));
  }

  line(kind, text, language) {
    const item = this.page.createElement("li");
    item.className = kind;
    item.lang = language;
    item.textContent = text;
    this.append("talk", item, 400);
  }

  replies(texts) {
    this.at("replies").replaceChildren(
      ...texts.map((text) => {
        const button = this.page.createElement("button");
        button.type = "button";
        button.textContent = text;
        button.addEventListener("click", () => this.say(text));
        return button;
      }),
    );
  }

  car(car) {
    const time = car.time.slice(11, 16);
    const parts = [time, `${Math.round(car.speed_kmh)} km/h`];
    if (car.guiding) parts.push(`${car.destination}: ${(car.remaining_m / 1000).toFixed(1)} km, ${car.eta.slice(11, 16)}`);
    else parts.push(this.words.noDestination);
    this.at("car").textContent = parts.join(" · ");
    if (this.page.activeElement !== this.at("drive")) this.at("drive").value = String(car.factor);
  }

  event(message) {
    const item = this.page.createElement("li");
    const name = this.page.createElement("b");
    name.textContent = message.type;
    item.append(name, ` ${this.summary(message)}`);
    this.append("events", item, EVENTS_SHOWN);
  }

  summary(message) {
    const entities = (list) => list.map((e) => `${e.entity}=${JSON.stringify(e.value)}`).join(" ");
    const summaries = {
      heard: () => `${message.language} #${message.turn}`,
      understood: () => `${message.function} · ${message.intent} ${message.confidence.toFixed(2)} ${entities(message.entities)}`,
      acted: () => `${message.ok ? "✓" : "✗"} ${message.name} ${JSON.stringify(message.arguments)}`,
      spoke: () => `${message.context} · ${message.total_ms.toFixed(0)} ms`,
      error: () => `${message.stage}: ${message.code}`,
      refused: () => message.reason,
      notice: () => message.kind,
      relayed: () => (message.delivered ? "✓" : "…"),
      handoff: () => `${message.state} · ${message.owner}`,
      push: () => `${message.kind} ${message.state}`,
    };
    return summaries[message.type]?.() ?? "";
  }

  append(id, item, limit) {
    const list = this.at(id);
    list.append(item);
    while (list.children.length > limit) list.firstChild.remove();
    list.scrollTop = list.scrollHeight;
  }
}
