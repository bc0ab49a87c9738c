// The event stream: every message of the line, thousands of them without slowing. Only the rows in sight exist.
import { make, set, write } from "../dom.js";
import { partsOf, stagesOf, strip, waterfall } from "./waterfall.js";

const ROW_PX = 28;
const OVERSCAN = 6;
const KEPT = 10000;
// Comes again and again and says little: counted, and shown only when asked for.
const QUIET = new Set(["car", "signal", "signals", "partial", "world_state", "route", "traffic", "shown", "handoff_so_far", "recording", "world_options", "prediction"]);

// What was kept, and which of it the filter lets through. Apart from the page, so that it is quick while nobody looks.
export class EventStore {
  #kept = [];
  #first = 0; // number of the oldest kept
  #hidden;
  counts = new Map();
  shown = []; // numbers, ascending

  constructor(hidden = QUIET) {
    this.#hidden = new Set(hidden);
  }

  add(message, at = Date.now()) {
    const number = this.#first + this.#kept.length;
    this.#kept.push({ number, at, message });
    this.counts.set(message.type, (this.counts.get(message.type) ?? 0) + 1);
    if (!this.#hidden.has(message.type)) this.shown.push(number);
    if (this.#kept.length > KEPT + KEPT / 10) this.#forget(this.#kept.length - KEPT);
    return number;
  }

  get(number) {
    return this.#kept[number - this.#first];
  }

  shows(type) {
    return !this.#hidden.has(type);
  }

  toggle(type, on) {
    if (on) this.#hidden.delete(type);
    else this.#hidden.add(type);
    this.shown = this.#kept.filter(({ message }) => !this.#hidden.has(message.type)).map(({ number }) => number);
  }

  clear() {
    this.#first += this.#kept.length;
    this.#kept = [];
    this.shown = [];
    this.counts.clear();
  }

  // In tenths, so that dropping costs little a message.
  #forget(count) {
    for (const { message } of this.#kept.splice(0, count)) this.counts.set(message.type, this.counts.get(message.type) - 1);
    this.#first += count;
    this.shown = this.shown.filter((number) => number >= this.#first);
  }
}

export function mountEvents(element, { store, words }) {
  const events = new EventStore();
  const chips = make("div", { class: "p-chips", role: "group" });
  const clear = make("button", { type: "button", class: "p-small", onclick: () => { events.clear(); chosen = -1; show(); inspect(); } });
  const count = make("p", { class: "p-soft p-count", role: "status" });
  const rows = make("div", { class: "p-rows" });
  const list = make("div", { id: "events", class: "p-events", role: "listbox", tabindex: 0, onscroll: () => later() }, rows);
  const detail = make("div", { id: "event-detail", class: "p-detail", hidden: true });
  element.append(make("div", { class: "p-bar" }, chips, clear), count, list, detail);

  let waiting = false;
  let follow = true;
  let chosen = -1;
  const made = new Map(); // number → row in the page

  const atEnd = () => list.scrollTop + list.clientHeight >= list.scrollHeight - ROW_PX;
  const later = () => {
    if (waiting || element.hidden || document.hidden) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      show();
    });
  };

  function show() {
    const { shown } = events;
    rows.style.blockSize = `${shown.length * ROW_PX}px`;
    if (follow) list.scrollTop = shown.length * ROW_PX;
    const first = Math.max(0, Math.floor(list.scrollTop / ROW_PX) - OVERSCAN);
    const last = Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW_PX) + OVERSCAN);
    const wanted = new Set(shown.slice(first, last));
    for (const [number, row] of made) {
      if (wanted.has(number)) continue;
      row.remove();
      made.delete(number);
    }
    for (let place = first; place < last; place += 1) {
      const number = shown[place];
      if (!made.has(number)) {
        made.set(number, rowOf(number));
        rows.append(made.get(number));
      }
      const row = made.get(number);
      row.style.insetBlockStart = `${place * ROW_PX}px`;
      set(row, { "aria-posinset": place + 1, "aria-setsize": shown.length, "aria-selected": number === chosen });
    }
    if (made.has(chosen)) set(list, { "aria-activedescendant": `event-${chosen}` });
    else list.removeAttribute("aria-activedescendant");
    write(count, words().panel.eventCount.replace("{shown}", shown.length).replace("{all}", [...events.counts.values()].reduce((a, b) => a + b, 0)));
    label();
  }

  function rowOf(number) {
    const { at, message } = events.get(number);
    return make(
      "div",
      { class: `p-event ${classOf(message)}`, id: `event-${number}`, role: "option", onclick: () => choose(number) },
      make("time", {}, clock(at)), make("b", {}, message.type), make("span", { class: "p-what" }, summary(message)),
      message.type === "spoke" ? strip(stagesOf(message), message.total_ms) : null,
    );
  }

  function choose(number) {
    chosen = chosen === number ? -1 : number;
    inspect();
    show();
  }

  // The raw message, as text.
  function inspect() {
    const event = chosen >= 0 ? events.get(chosen) : null;
    detail.hidden = !event;
    if (!event) return;
    const { message } = event;
    const w = words().panel;
    detail.replaceChildren(
      ...(message.type === "spoke" ? [waterfall(stagesOf(message), message.total_ms, w.turnTook, w.stages)] : []),
      ...(message.type === "latency" ? [waterfall(partsOf(message), message.total_ms, w.voiceTook, w.stages)] : []),
      make("pre", { tabindex: 0 }, JSON.stringify(message, null, 2)),
    );
  }

  // A chip a type that came, in order of the alphabet; pressed: shown.
  const chipOf = new Map();
  function label() {
    const w = words().panel;
    write(clear, w.clear);
    set(list, { "aria-label": w.events });
    set(chips, { "aria-label": w.filter });
    const types = [...events.counts.keys()].sort();
    if (types.length !== chips.children.length || types.some((type) => !chipOf.has(type))) {
      for (const type of types) if (!chipOf.has(type)) chipOf.set(type, chip(type));
      chips.replaceChildren(...types.map((type) => chipOf.get(type)));
    }
    for (const type of types) {
      write(chipOf.get(type).lastChild, String(events.counts.get(type)));
      set(chipOf.get(type), { "aria-pressed": String(events.shows(type)) });
    }
  }

  const chip = (type) =>
    make(
      "button",
      { type: "button", class: "p-chip", "data-type": type, onclick: () => { events.toggle(type, !events.shows(type)); show(); } },
      `${type} `, make("small"),
    );

  list.addEventListener("wheel", () => { follow = false; });
  list.addEventListener("pointerdown", () => { follow = false; });
  list.addEventListener("scroll", () => { if (atEnd()) follow = true; });
  list.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity }[event.key];
    const { shown } = events;
    if (by === undefined || !shown.length) {
      if (event.key === "Escape" && chosen >= 0) choose(chosen);
      return;
    }
    event.preventDefault();
    const place = chosen < 0 ? (by > 0 ? -1 : shown.length) : shown.indexOf(chosen);
    const next = Math.min(shown.length - 1, Math.max(0, place + by));
    follow = next === shown.length - 1;
    chosen = shown[next];
    list.scrollTop = Math.min(Math.max(list.scrollTop, (next + 1) * ROW_PX - list.clientHeight), next * ROW_PX);
    inspect();
    show();
  });

  store.on("*", (message) => {
    if (message.type.startsWith("@")) return;
    events.add(message);
    later();
  });
  document.addEventListener("visibilitychange", later);
  return later;
}

const clock = (at) => new Date(at).toTimeString().slice(0, 8);

const classOf = (message) =>
  message.type === "error" || message.type === "refused" || message.type === "world_refused" || message.ok === false ? "p-bad"
    : message.type === "spoke" || message.type === "notice" ? "p-said" : "";

const brief = (value) => {
  const text = typeof value === "string" ? value : JSON.stringify(value) ?? "";
  return text.length > 160 ? `${text.slice(0, 160)}…` : text;
};

const summaries = {
  heard: (m) => `#${m.turn} ${m.text}`,
  understood: (m) => `${m.function} · ${m.intent} ${Number(m.confidence).toFixed(2)} ${(m.entities ?? []).map((e) => `${e.entity}=${brief(e.value)}`).join(" ")}`,
  acted: (m) => `${m.ok ? "✓" : "✗"} ${m.name} ${brief(m.arguments)}`,
  spoke: (m) => `${m.context} · ${Number(m.total_ms).toFixed(0)} ms · ${m.text}`,
  error: (m) => `${m.stage}: ${m.code}`,
  refused: (m) => m.reason,
  world_refused: (m) => `${m.do}: ${m.code} ${m.detail ?? ""}`,
  notice: (m) => `${m.kind} · ${m.text}`,
  relayed: (m) => (m.delivered ? "✓" : "…"),
  handoff: (m) => `${m.state} · ${m.owner} ${m.text}`,
  operator: (m) => m.text,
  push: (m) => `${m.kind} ${m.state}`,
  latency: (m) => `${Number(m.total_ms).toFixed(0)} ms`,
  voice: (m) => `${m.state} (${m.reason})`,
  recognised: (m) => `${m.taken} ${Number(m.confidence).toFixed(2)} ${m.text}`,
  speaking: (m) => `${m.number}/${m.of} ${m.text}`,
  resync: (m) => `−${m.lost}`,
};

// What a row says; of what it does not know, the fields themselves.
export function summary(message) {
  try {
    if (summaries[message.type]) return brief(summaries[message.type](message));
  } catch {
    // Not as it should be: shown as it is.
  }
  const { type, session, ...rest } = message;
  return brief(rest);
}
