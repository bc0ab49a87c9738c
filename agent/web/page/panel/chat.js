// Text for the same session: the tester's keyboard, also while the car drives.
import { make, set, write } from "../dom.js";
import { mountLastTurn } from "./waterfall.js";

const HISTORY = 50;

export function mountChat(element, { store, send, words }) {
  const log = make("ol", { id: "panel-talk", class: "p-chat", "aria-live": "polite", tabindex: 0 });
  const text = make("input", { id: "panel-text", autocomplete: "off", maxlength: 2000 });
  const button = make("button", { id: "panel-send", type: "submit", class: "p-main" });
  const forget = make("button", { id: "panel-reset", type: "button", class: "p-small", onclick: () => send({ type: "reset" }) });
  const said = [];
  let back = 0;
  const form = make("form", {
    class: "p-bar",
    onsubmit: (event) => {
      event.preventDefault();
      if (!text.value.trim() || !send({ type: "say", text: text.value })) return;
      said.push(text.value);
      if (said.length > HISTORY) said.shift();
      back = said.length;
      text.value = "";
    },
  }, text, button);
  // As in a terminal: what was said before comes back with the arrows.
  text.addEventListener("keydown", (event) => {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!by || !said.length || event.isComposing) return;
    event.preventDefault();
    back = Math.min(said.length, Math.max(0, back + by));
    text.value = said[back] ?? "";
  });
  const turn = make("section", { class: "p-last" });
  element.append(log, form, make("div", { class: "p-bar p-end" }, forget), turn);
  const showTurn = mountLastTurn(turn, { store, words });

  let shown = null;
  let labelled = "";
  store.subscribe((state) => {
    const w = words().panel;
    if (labelled !== state.shown) {
      labelled = state.shown;
      set(log, { "aria-label": w.chat });
      set(text, { "aria-label": w.chatPlaceholder, placeholder: w.chatPlaceholder });
      write(button, w.say);
      write(forget, w.forget);
      showTurn();
    }
    button.disabled = state.line !== "open";
    if (shown === state.talk) return;
    shown = state.talk;
    const end = log.scrollTop + log.clientHeight >= log.scrollHeight - 40;
    log.replaceChildren(...shown.map((line) => make("li", { class: `from-${line.kind}`, lang: line.language || null }, line.text)));
    if (end) log.scrollTop = log.scrollHeight;
  });
  return () => {
    log.scrollTop = log.scrollHeight;
    text.focus();
  };
}
