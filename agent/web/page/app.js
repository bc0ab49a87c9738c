// Boot: one store, one connection, and the rooms over them. All text goes into the page as text nodes, never as markup.
import { Connection } from "./connection.js";
import { createStore } from "./store.js";
import { mountUnit } from "./unit/unit.js";
import { wordsOf } from "./words.js";

const KEPT_LANGUAGE = "language";
const KEPT_PANEL = "panel";
const WIDE = window.matchMedia("(min-width: 1400px)");
const POLL_MS = 2000;

const at = (id) => document.getElementById(id);
const store = createStore();
const connection = new Connection({
  message: (message) => store.dispatch(message),
  sound: (buffer) => store.sound(buffer),
  state: (line, { retryAt }) => {
    store.dispatch({ type: "@line", line, retryAt });
    if (line === "open") greet();
  },
});

const send = (message) => connection.send(message);
const words = () => wordsOf(store.state.shown);
const language = () => store.state.shown;
const room = { store, send, words, language, sendSound: (buffer) => connection.sendSound(buffer) };

function greet() {
  send({ type: "language", language: store.state.language });
  send({ type: "shown" });
  send({ type: "signals" });
  send({ type: "car" });
}

function choosePanel(open) {
  at("panel").hidden = !open;
  at("panel-switch").setAttribute("aria-expanded", String(open));
  document.body.classList.toggle("with-panel", open);
  localStorage.setItem(KEPT_PANEL, open ? "open" : "folded");
}

function label() {
  const { shown } = store.state;
  document.documentElement.lang = shown;
  document.title = words().page.title;
  at("panel-switch").textContent = words().page.panel;
  at("map-room").setAttribute("aria-label", words().page.map);
  at("panel").setAttribute("aria-label", words().page.panel);
}

// The language is chosen here, told to the gateway, and kept.
store.on("@language", ({ language: chosen }) => {
  localStorage.setItem(KEPT_LANGUAGE, chosen);
  send({ type: "language", language: chosen });
});

store.on("@retry", () => connection.retry());

let labelled = "";
store.subscribe((state) => {
  document.documentElement.dataset.light = state.light;
  document.body.classList.toggle("driving", state.driving);
  document.body.classList.toggle("operator", state.owner === "operator");
  if (labelled !== state.shown) {
    labelled = state.shown;
    label();
  }
});

store.dispatch({ type: "@language", language: localStorage.getItem(KEPT_LANGUAGE) ?? "auto" });
label();
mountUnit(at("unit"), room);
choosePanel((localStorage.getItem(KEPT_PANEL) ?? (WIDE.matches ? "open" : "folded")) === "open");
at("panel-switch").addEventListener("click", () => choosePanel(at("panel").hidden));
connection.open();
setInterval(() => send({ type: "car" }), POLL_MS);

// What is large comes after the first paint.
requestAnimationFrame(() =>
  setTimeout(async () => {
    performance.mark("useful");
    const [{ mountMap }, { mountPanel }] = await Promise.all([import("./map/map.js"), import("./panel/panel.js")]);
    mountMap(at("map-room"), room);
    mountPanel(at("panel"), room);
  }),
);
