// What is on the page.
import { words } from "./words.js";

const EVENTS_SHOWN = 200;

export class View {
  onSay = () => false;
  onLanguage = () => {};
  onDrive = () => {};

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
    for (const [id, key] of [["talk-title", "talk"], ["events-title", "events"], ["send", "send"], ["drive-label", "drive"], ["language-label", "language"]]) {
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
    }[message.type];
    show?.();
    if (message.type !== "car" && message.type !== "welcome") this.event(message);
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
