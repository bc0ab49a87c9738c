// Settings: language, voice, wake word, who drives, Agent+ and what it has learnt, privacy.
import { make, set, write } from "../dom.js";
import { fill } from "../words.js";

const HMI = "Vehicle.Cabin.Infotainment.HMI";
const AUTO = "Vehicle.Private.HMI.IsDayNightAuto";
const FREQUENCIES = ["off", "low", "normal", "high"];
const LEARNT_SHOWN = 8;

export function mountSettings({ store, send, words, language, voice }) {
  const touch = (path, value) => send({ type: "touch", path, value, language: language() });
  const agentplus = (message) => send({ type: "agentplus", language: language(), ...message });
  const unit = (message) => send({ type: "unit", language: language(), ...message });

  const said = make("p", { class: "said", role: "status" });
  const driving = make("p", { class: "empty" });

  // language and voice: also while driving
  const languageLabel = make("span");
  const chosen = make("select", { id: "language", onchange: () => store.dispatch({ type: "@language", language: chosen.value }) });
  for (const [value, name] of [["auto", "自動 / auto"], ["ja", "日本語"], ["en", "English"]]) chosen.append(make("option", { value }, name));
  const microphone = toggle(() => (store.state.voice.wanted ? voice.stop() : voice.start()));
  const looks = ["auto", "day", "night"].map((look) => make("button", { type: "button", class: "switch", onclick: () => choose(look) }));
  const looksLabel = make("span");
  const looksRow = make("div", { class: "row", role: "group" }, looksLabel, make("span", { class: "buttons" }, ...looks));
  async function choose(look) {
    touch(AUTO, look === "auto");
    if (look !== "auto") touch(`${HMI}.DayNightMode`, look === "day" ? "DAY" : "NIGHT");
  }

  // the rest only while stopped
  const wakeLabel = make("label", { for: "wake-word" });
  const wake = make("input", { id: "wake-word", maxlength: 40, autocomplete: "off" });
  const keep = make("button", { type: "submit" });
  const usual = make("button", { type: "button", onclick: () => unit({ do: "wake_word", phrase: "" }) });
  const wakeForm = make("form", { class: "wake", onsubmit: (event) => { event.preventDefault(); unit({ do: "wake_word", phrase: wake.value }); } }, wakeLabel, make("span", { class: "inputs" }, wake, keep, usual));
  const headings = Object.fromEntries(["car", "voice", "driver", "plus", "learnt", "privacy"].map((name) => [name, make("h2")]));
  const drivers = make("div", { class: "buttons", role: "group" });
  const plus = make("div", { class: "plus" });
  const learnt = make("ul", { class: "learnt" });
  const kept = make("p", { class: "soft" });
  const recordings = make("p", { class: "soft" });
  const eraseSound = confirmed(() => unit({ do: "erase_recordings", confirm: true }));
  const eraseAll = confirmed(() => agentplus({ do: "erase", all: true, confirm: true }));
  const forget = confirmed(() => send({ type: "reset" }));
  const stopped = make(
    "div", { class: "stopped" },
    wakeForm, headings.driver, drivers, headings.plus, plus, headings.learnt, learnt, kept, headings.privacy, recordings,
    make("div", { class: "buttons" }, forget.element, eraseSound.element, eraseAll.element),
  );
  const element = make("div", { class: "settings" }, said, headings.voice, microphone.element, make("label", { class: "row" }, languageLabel, chosen), looksRow, driving, stopped);

  let unitState = null;
  store.on("unit", (message) => {
    unitState = message;
    if (message.said) write(said, message.said);
    if (document.activeElement !== wake) wake.value = message.wake_word.phrase;
    if (message.changed === "wake_word") voice.restart();
    render(store.state, true);
  });
  store.on("agentplus", (message) => message.said && write(said, message.said));
  // What was learnt changes by voice and by driving as well.
  const ask = () => store.state.line === "open" && agentplus({ do: "show" });
  store.on("notice", ask);
  store.on("acted", ({ name }) => /^(agentplus|notice)_/.test(name) && ask());

  // Called when the settings are looked at.
  function open() {
    write(said, "");
    unit({ do: "show" });
    ask();
  }

  const shown = {};
  function render(state, again = false) {
    const w = words().unit.settings;
    write(languageLabel, w.language);
    chosen.value = state.language;
    microphone.render(w.microphone, state.voice.wanted);
    write(looksLabel, w.look);
    set(looksRow, { "aria-label": w.look });
    const look = state.signals[AUTO] === false ? state.light : "auto";
    ["auto", "day", "night"].forEach((name, place) => {
      write(looks[place], w.looks[name]);
      set(looks[place], { "aria-pressed": String(look === name) });
    });
    driving.hidden = !state.driving;
    stopped.hidden = state.driving;
    write(driving, w.when_stopped);
    if (!again && shown.w === w && shown.agentplus === state.agentplus) return;
    Object.assign(shown, { w, agentplus: state.agentplus });
    for (const [name, heading] of Object.entries(headings)) write(heading, w.headings[name]);
    write(wakeLabel, w.wake_word);
    write(keep, w.keep);
    write(usual, fill(w.usual, { phrase: unitState?.wake_word.usual ?? "" }));
    usual.hidden = !unitState?.wake_word.own;
    const sound = unitState?.recordings;
    write(recordings, sound ? (sound.count ? fill(w.recorded, sound) : sound.on ? w.recorded_none : w.recordings_off) : "");
    eraseSound.render(w.erase_recordings, w.really);
    eraseSound.element.hidden = !sound?.count;
    eraseAll.render(w.erase_all, w.really);
    forget.render(w.forget, w.really);
    renderPlus(state.agentplus, w);
  }

  function renderPlus(known, w) {
    const there = Boolean(known?.on);
    for (const part of [headings.driver, drivers, headings.plus, plus, headings.learnt, learnt, kept, eraseAll.element]) part.hidden = !there;
    if (!there) return;
    drivers.replaceChildren(
      ...[...known.drivers, { id: "guest", name: w.guest, driving: known.driver.role === "guest" }].map((driver) =>
        make("button", { type: "button", class: "switch", "aria-pressed": String(Boolean(driver.driving)), onclick: () => agentplus({ do: "driver", id: driver.id }) }, driver.name)),
    );
    set(drivers, { "aria-label": w.headings.driver });
    const guest = known.driver.role === "guest";
    const learns = toggle(() => agentplus({ do: "set", paused: !known.driver.paused }));
    learns.render(w.learns, !known.driver.paused);
    const often = make("div", { class: "row", role: "group", "aria-label": w.often }, make("span", {}, w.often), make("span", { class: "buttons" }, ...FREQUENCIES.map((frequency) =>
      make("button", { type: "button", class: "switch", "aria-pressed": String(known.notices.frequency === frequency), onclick: () => agentplus({ do: "set", frequency }) }, w.frequencies[frequency]))));
    const classes = (known.notices.classes ?? []).map((one) => {
      const made = toggle(() => agentplus({ do: "set", class: one.class, on: !one.on }));
      made.render(one.name, one.on);
      return made.element;
    });
    plus.replaceChildren(...(guest ? [make("p", { class: "soft" }, w.guest_learns_nothing)] : [learns.element, often, ...classes]));
    const rows = guest ? [] : [...known.places.map((p) => [p.id, p.name, p.words]), ...known.habits.map((h) => [h.id, "", h.words]), ...known.taste.map((t) => [t.id, "", t.words])].slice(0, LEARNT_SHOWN);
    learnt.replaceChildren(
      ...rows.map(([item, name, about]) => {
        const gone = confirmed(() => agentplus({ do: "erase", item }));
        gone.render(w.erase, w.really);
        return make("li", {}, make("p", {}, name ? make("strong", {}, `${name} `) : null, about), gone.element);
      }),
    );
    if (!rows.length) learnt.replaceChildren(make("li", {}, make("p", { class: "soft" }, w.nothing_learnt)));
    write(kept, fill(w.positions_kept, { n: known.keep_positions_days }));
  }

  return { element, render, open };
}

// A row with a switch.
function toggle(act) {
  const label = make("span");
  const button = make("button", { type: "button", class: "row toggle", role: "switch", onclick: act }, label, make("i", { "aria-hidden": "true" }));
  return {
    element: button,
    render(text, on) {
      write(label, text);
      set(button, { "aria-checked": String(Boolean(on)) });
    },
  };
}

// A button that wants to be pressed twice.
function confirmed(act) {
  let asked = false;
  let texts = ["", ""];
  const button = make("button", { type: "button", class: "careful", onclick: () => {
    if (asked) act();
    asked = !asked;
    show();
  }, onblur: () => { asked = false; show(); } });
  const show = () => {
    write(button, texts[asked ? 1 : 0]);
    button.classList.toggle("asked", asked);
  };
  return { element: button, render: (text, really) => { texts = [text, really]; show(); } };
}
