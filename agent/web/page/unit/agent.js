// The agent at the foot of the head unit: the talk button, what it does now, what it hears; words by hand while stopped.
import { icon, make, set, write } from "../dom.js";
import { fill } from "../words.js";
import { icons } from "./tables.js";

const HOLD_MS = 350;

export function mountAgent({ store, send, words, voice }) {
  const orb = make("button", { id: "orb", type: "button" }, make("i", { class: "ring" }), make("i", { class: "ring two" }), icon(icons.microphone));
  const state = make("p", { id: "state", role: "status" });
  const hearing = make("p", { class: "hearing" });
  const text = make("input", { id: "text", name: "text", autocomplete: "off", maxlength: 2000, enterkeyhint: "send" });
  const button = make("button", { id: "send", type: "submit", class: "main" });
  const form = make("form", { id: "say", onsubmit: submit }, text, button);
  const element = make("footer", { class: "foot" }, orb, make("div", { class: "caption" }, state, hearing), form);

  function submit(event) {
    event.preventDefault();
    if (text.value.trim() && send({ type: "say", text: text.value })) text.value = "";
  }

  // A tap calls the agent; held, it listens until let go.
  let pressedAt = 0;
  const down = (source) => {
    pressedAt = performance.now();
    voice.press(source);
  };
  const up = () => {
    if (pressedAt && performance.now() - pressedAt > HOLD_MS) voice.release();
    pressedAt = 0;
  };
  orb.addEventListener("pointerdown", (event) => {
    if (event.button === 0) down("button");
  });
  for (const type of ["pointerup", "pointercancel"]) orb.addEventListener(type, up);
  orb.addEventListener("contextmenu", (event) => event.preventDefault());
  orb.addEventListener("keydown", (event) => {
    if ([" ", "Enter"].includes(event.key)) {
      event.preventDefault();
      if (!event.repeat) down("button");
    }
  });
  orb.addEventListener("keyup", (event) => [" ", "Enter"].includes(event.key) && up());
  // Assistive technology clicks without pointer or key.
  orb.addEventListener("click", (event) => event.detail === 0 && event.pointerType === "" && voice.press("button"));
  // The space bar is the talk switch on the steering wheel, wherever nothing else wants it.
  const free = (target) => !target.closest("input, select, textarea, button, a, [role=slider], [contenteditable], canvas");
  document.addEventListener("keydown", (event) => {
    if (event.key === " " && !event.repeat && free(event.target)) {
      event.preventDefault();
      down("talk_switch");
    }
  });
  document.addEventListener("keyup", (event) => event.key === " " && free(event.target) && up());

  voice.onLevel = (level) => orb.style.setProperty("--level", level.toFixed(2));

  function phaseOf({ line, owner, voice: v, working }) {
    if (line !== "open") return "offline";
    if (v.on && v.state !== "idle") return v.state;
    if (working) return "thinking";
    return owner === "operator" ? "operator" : v.on ? "ready" : v.wanted ? "starting" : "off";
  }

  function captionOf(phase, now, w) {
    if (phase === "offline") return w[now.line];
    if (phase === "off") return now.voice.problem ? (w.problems[now.voice.problem] ?? w.problems.failed) : w.phases.off;
    if (phase === "ready") return now.wakes === false ? w.phases.ready_button : fill(w.phases.ready, { phrase: now.wake_word ?? "" });
    return w.phases[phase] ?? "";
  }

  let drawn = "";
  function render(now, view) {
    const w = words().unit;
    const phase = phaseOf(now);
    element.dataset.phase = phase;
    set(orb, { "aria-label": w.orb[phase] ?? w.orb.off, disabled: phase === "offline" });
    const symbol = phase === "off" && now.voice.problem ? "microphone_off" : "microphone";
    if (drawn !== symbol) orb.lastChild.replaceWith(icon(icons[(drawn = symbol)]));
    write(state, captionOf(phase, now, w));
    state.classList.toggle("problem", phase === "offline" || (phase === "off" && Boolean(now.voice.problem)));
    // What sounds stands in the conversation; elsewhere it stands here.
    write(hearing, now.hearing || (view !== "talk" ? (now.speaking?.text ?? "") : ""));
    hearing.hidden = !hearing.textContent;
    form.hidden = now.driving;
    write(button, w.send);
    button.disabled = now.line !== "open";
    set(text, { placeholder: w.placeholder, "aria-label": w.say });
  }

  return { element, render };
}
