// What sounds beside the agent: source, title, volume.
import { icon, make, set, write } from "../dom.js";
import { fill } from "../words.js";
import { icons, sources as SOURCES } from "./tables.js";

const MEDIA = "Vehicle.Cabin.Infotainment.Media";
const PRIVATE = "Vehicle.Private.Media";
const DRIVING_SOURCES = 3;
const VOLUME_STEP = 5;

export function mountAudio({ store, send, words, language }) {
  const touch = (path, value) => send({ type: "touch", path, value, language: language() });
  const value = (path) => store.state.signals[path];
  const title = make("p", { class: "title" });
  const by = make("p", { class: "by" });
  const button = (name, act) => make("button", { type: "button", class: `round ${name}`, onclick: act }, icon(icons[name]));
  const previous = button("previous", () => touch(`${MEDIA}.Action`, "SKIP_BACKWARD"));
  const next = button("next", () => touch(`${MEDIA}.Action`, "SKIP_FORWARD"));
  const playing = () => value(`${PRIVATE}.PlaybackState`) === "PLAYING";
  const play = button("play", () => touch(`${PRIVATE}.PlaybackState`, playing() ? "PAUSED" : "PLAYING"));
  const mute = button("mute", () => touch(`${PRIVATE}.IsMuted`, !value(`${PRIVATE}.IsMuted`)));
  const volume = make("input", { type: "range", min: 0, max: 100, step: VOLUME_STEP, onchange: () => touch(`${MEDIA}.Volume`, Number(volume.value)) });
  const step = (by_) => touch(`${MEDIA}.Volume`, Math.min(100, Math.max(0, (value(`${MEDIA}.Volume`) ?? 0) + by_)));
  const quieter = button("minus", () => step(-VOLUME_STEP));
  const louder = button("plus", () => step(VOLUME_STEP));
  const level = make("output");
  const sources = make("div", { class: "sources", role: "group" });
  const buttons = SOURCES.map((source) => make("button", { type: "button", class: "switch", onclick: () => touch(`${MEDIA}.Played.Source`, source) }));
  sources.append(...buttons);
  const element = make(
    "div", { class: "audio" },
    make("div", { class: "playing" }, title, by),
    make("div", { class: "transport" }, previous, play, next),
    make("div", { class: "volume" }, mute, quieter, volume, louder, level),
    sources,
  );

  let drawn = "";
  function render(state) {
    const w = words().unit.audio;
    const signals = state.signals;
    const source = signals[`${MEDIA}.Played.Source`] ?? "";
    const station = signals[`${PRIVATE}.Station`];
    const track = signals[`${MEDIA}.Played.Track`];
    write(title, track || station || signals[`${PRIVATE}.Query`] || w.sources[source] || source);
    write(by, [w.sources[source] ?? source, signals[`${MEDIA}.Played.Artist`]].filter(Boolean).join(" · "));
    const symbol = playing() ? "pause" : "play";
    if (drawn !== symbol) play.replaceChildren(icon(icons[(drawn = symbol)]));
    const now = signals[`${MEDIA}.Volume`] ?? 0;
    if (document.activeElement !== volume) volume.value = String(now);
    write(level, String(now));
    const muted = signals[`${PRIVATE}.IsMuted`] === true;
    element.classList.toggle("muted", muted);
    set(previous, { "aria-label": w.previous });
    set(next, { "aria-label": w.next });
    set(play, { "aria-label": playing() ? w.pause : w.play });
    set(mute, { "aria-label": w.mute, "aria-pressed": String(muted) });
    set(volume, { "aria-label": w.volume, "aria-valuetext": fill(w.level, { n: now }) });
    set(quieter, { "aria-label": w.quieter });
    set(louder, { "aria-label": w.louder });
    set(sources, { "aria-label": w.source });
    buttons.forEach((made, place) => {
      const name = SOURCES[place];
      write(made, w.sources[name]);
      set(made, { "aria-pressed": String(name === source), hidden: state.driving && place >= DRIVING_SOURCES && name !== source });
    });
  }

  return { element, render };
}
