// The head unit.
import { make, set, write } from "../dom.js";

export function mountUnit(element, { store, send, words }) {
  const talk = make("ol", { id: "talk", role: "log", "aria-live": "polite", tabindex: 0 });
  const replies = make("div", { id: "replies" });
  const pushes = make("div", { id: "pushes" });
  const back = make("button", { id: "back", type: "button", hidden: true, onclick: () => send({ type: "line", do: "back" }) });
  const text = make("input", { id: "text", name: "text", autocomplete: "off", maxlength: 2000 });
  const button = make("button", { id: "send", type: "submit" });
  const state = make("p", { id: "state", role: "status" });
  const say = (words_) => send({ type: "say", text: words_ });
  const form = make(
    "form",
    { id: "say", onsubmit: (event) => { event.preventDefault(); if (text.value.trim() && say(text.value)) text.value = ""; } },
    text, button,
  );
  const language = make("select", { id: "language", onchange: () => store.dispatch({ type: "@language", language: language.value }) });
  for (const [value, name] of [["auto", "自動 / auto"], ["ja", "日本語"], ["en", "English"]]) language.append(make("option", { value }, name));
  const languageLabel = make("label", {}, make("span", { class: "unseen" }), language);
  element.append(languageLabel, talk, replies, pushes, back, form, state);

  let shown = [];
  store.subscribe((now) => {
    const w = words().unit;
    set(element, { "aria-label": w.name });
    write(languageLabel.firstChild, w.language);
    write(button, w.send);
    write(back, w.back);
    set(text, { placeholder: w.placeholder, "aria-label": w.placeholder });
    language.value = now.language;
    button.disabled = now.line !== "open";
    write(state, now.line === "open" ? "" : w[now.line]);
    back.hidden = now.owner !== "operator";
    if (shown !== now.talk) {
      shown = now.talk;
      talk.replaceChildren(...shown.map((line) => make("li", { class: line.kind, lang: line.language }, line.text)));
      talk.scrollTop = talk.scrollHeight;
    }
    replies.replaceChildren(...now.replies.map((reply) => make("button", { type: "button", onclick: () => say(reply) }, reply)));
    const answer = (word, accept) =>
      make("button", { type: "button", onclick: () => send({ type: "push", id: now.push.id, accept }) }, word);
    pushes.replaceChildren(...(now.push ? [answer(w.accept, true), answer(w.refuse, false)] : []));
  });
}
