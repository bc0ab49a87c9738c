// The head unit: what is told at a glance above, the view in the middle, the agent below, and the ways to the views.
import { icon, make, set, write } from "../dom.js";
import { fill } from "../words.js";
import { mountAgent } from "./agent.js";
import { mountAudio } from "./audio.js";
import { mountClimate } from "./climate.js";
import { clock, degrees, distance, duration } from "./format.js";
import { icons, lamps } from "./tables.js";
import { mountAlert, mountNotices } from "./notices.js";
import { mountSettings } from "./settings.js";
import { mountTalk } from "./talk.js";
import { createVoice } from "../voice/voice.js";

const SCREEN = "Vehicle.Private.HMI.IsScreenOn";
const OUTSIDE = "Vehicle.Exterior.AirTemperature";
const FUEL_LOW = "Vehicle.Powertrain.FuelSystem.IsFuelLevelLow";

export function mountUnit(element, room) {
  const { store, send, words, language } = room;
  const voice = createVoice(room);
  const inside = { ...room, voice };
  const views = {
    talk: { symbol: "talk", ...mountTalk(inside) },
    climate: { symbol: "climate", ...mountClimate(inside) },
    audio: { symbol: "audio", ...mountAudio(inside) },
    notices: { symbol: "bell", ...mountNotices(inside) },
    settings: { symbol: "settings", ...mountSettings(inside) },
  };
  let view = "talk";
  let unseen = 0;

  // the bar: time, outside temperature, what is wrong
  const time = make("p", { class: "time" });
  const outside = make("p", { class: "outside" });
  const warnings = make("ul", { class: "warnings" });
  const bar = make("header", { class: "bar" }, time, outside, make("div", { role: "status" }, warnings));

  // the trip
  const goal = make("p", { class: "goal" });
  const arrival = make("p", { class: "arrival" });
  const rest = make("p", { class: "left" });
  const trip = make("section", { class: "trip", hidden: true }, icon(icons.flag), goal, arrival, rest);

  const alert = mountAlert(inside);
  const agent = mountAgent(inside);
  const tabs = make("div", { class: "tabs", role: "tablist" });
  const panels = make("div", { class: "views" });
  for (const [name, made] of Object.entries(views)) {
    made.label = make("span");
    made.count = make("b", { class: "count", hidden: true });
    made.tab = make("button", { id: `tab-${name}`, type: "button", role: "tab", "aria-controls": `view-${name}`, onclick: () => show(name) }, icon(icons[made.symbol]), made.label, made.count);
    made.panel = make("div", { id: `view-${name}`, class: "view", role: "tabpanel", "aria-labelledby": `tab-${name}`, tabindex: -1 }, made.element);
    tabs.append(made.tab);
    panels.append(made.panel);
  }
  tabs.addEventListener("keydown", (event) => {
    const names = Object.keys(views);
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const to = step ? names[(names.indexOf(view) + step + names.length) % names.length] : { Home: names[0], End: names.at(-1) }[event.key];
    if (!to) return;
    event.preventDefault();
    show(to);
    views[to].tab.focus();
  });
  const wakeScreen = make("button", { class: "dark", type: "button", hidden: true, onclick: () => send({ type: "touch", path: SCREEN, value: true, language: language() }) });
  element.append(bar, trip, alert.element, panels, agent.element, tabs, wakeScreen);

  function show(name) {
    view = name;
    if (name === "notices") unseen = 0;
    views[name].open?.();
    render(store.state);
  }

  store.on("notice", () => {
    if (view !== "notices") unseen += 1;
  });
  // A new conversation is to be seen; climate and sound show what was asked of them by themselves.
  store.on("heard", () => !["talk", "climate", "audio"].includes(view) && show("talk"));
  store.on("spoke", ({ cards, context }) => {
    if (view !== "talk" && (context?.startsWith("offers") || context?.startsWith("asks") || cards?.some((card) => card.type !== "car"))) show("talk");
  });
  store.on("@line", ({ line }) => line === "open" && send({ type: "unit", do: "show", language: language() }));
  store.on("unit", (message) => store.dispatch({ type: "@unit", wakes: message.wakes, wake_word: message.wake_word.phrase }));

  function renderTrip({ car }, w) {
    trip.hidden = !car?.guiding;
    if (trip.hidden) return;
    write(goal, car.destination);
    write(arrival, fill(w.arrival, { time: clock(car.eta) }));
    const left = car.remaining_s ?? Math.max(0, (Date.parse(car.eta) - Date.parse(car.time)) / 1000);
    write(rest, `${distance(car.remaining_m)} · ${duration(left, w)}`);
    set(trip, { "aria-label": w.trip });
  }

  let warned = "";
  function renderBar({ car, signals, centre }, w) {
    write(time, car ? clock(car.time) : "–:–");
    write(outside, signals[OUTSIDE] === undefined ? "" : degrees(signals[OUTSIDE]));
    const list = [
      centre === "no_contract" && ["no_line", w.no_contract], centre === "no_connection" && ["no_line", w.no_connection],
      lamps.some((lamp) => signals[lamp] === true) && ["warning", w.lamp], signals[FUEL_LOW] === true && ["fuel", w.fuel_low],
      Object.entries(signals).some(([path, value]) => value === true && /\.(Door\.[^.]+\.[^.]+|Trunk\.Rear)\.IsOpen$/.test(path)) && ["warning", w.door_open],
      Object.entries(signals).some(([path, value]) => value === true && path.endsWith("IsPressureLow")) && ["warning", w.tyre_low],
    ].filter(Boolean);
    const key = JSON.stringify(list);
    if (key === warned) return;
    warned = key;
    warnings.replaceChildren(...list.map(([symbol, text]) => make("li", {}, icon(icons[symbol]), text)));
  }

  function render(state) {
    const w = words().unit;
    set(element, { "aria-label": w.name });
    set(tabs, { "aria-label": w.views });
    renderBar(state, w);
    renderTrip(state, w);
    alert.render(state);
    agent.render(state, view);
    for (const [name, made] of Object.entries(views)) {
      const chosen = name === view;
      write(made.label, w.tabs[name]);
      set(made.tab, { "aria-selected": String(chosen), tabindex: chosen ? 0 : -1 });
      made.panel.hidden = !chosen;
      if (chosen) made.render(state);
    }
    const { count } = views.notices;
    count.hidden = unseen === 0;
    write(count, unseen ? String(unseen) : "");
    wakeScreen.hidden = state.signals[SCREEN] !== false;
    set(wakeScreen, { "aria-label": w.screen_on });
    write(wakeScreen, w.screen_on);
  }
  store.subscribe(render);
  render(store.state);
}
