// The conversation: what was said, the clause that sounds, what was understood, results and what can be answered.
import { make, set, write } from "../dom.js";
import { cardsOf } from "./cards.js";

const DRIVING_ITEMS = 3;
const LONG = 60;

export function mountTalk({ store, send, words }) {
  const talk = make("ol", { id: "talk", "aria-live": "polite", tabindex: 0 });
  const cards = make("ol", { class: "cards" });
  const replies = make("div", { id: "replies", role: "group" });
  const hello = make("p");
  const examples = make("div", { class: "examples" });
  const empty = make("div", { class: "hello" }, hello, examples);
  const element = make("div", { class: "conversation" }, empty, talk, cards, replies);
  const items = new Map();
  // What was said last stays in sight, whatever comes above or below it.
  new ResizeObserver(() => (talk.scrollTop = talk.scrollHeight)).observe(talk);
  const shown = {};

  const say = (text) => send({ type: "say", text });

  function lines(state) {
    const last = { driver: null, agent: null };
    for (const line of state.talk) last[line.kind === "driver" ? "driver" : "agent"] = line;
    const wanted = new Set(state.talk.map((line) => line.key));
    for (const [key, item] of items) {
      if (!wanted.has(key)) {
        item.remove();
        items.delete(key);
      }
    }
    state.talk.forEach((line, place) => {
      let item = items.get(line.key);
      if (!item) items.set(line.key, (item = make("li", { lang: line.language })));
      if (talk.children[place] !== item) talk.insertBefore(item, talk.children[place] ?? null);
      const now = line === last.agent || (line === last.driver && state.talk.indexOf(last.driver) >= state.talk.indexOf(last.agent) - 2);
      const speaking = line === last.agent ? state.speaking : null;
      const understood = line === last.driver && state.understood?.turn === line.turn ? state.understood : null;
      const look = `${now}|${speaking?.number ?? ""}|${Boolean(understood)}`;
      if (item.dataset.look === look) return;
      item.dataset.look = look;
      item.className = [line.kind, now && "now", line.context === "apology" && "apology", line.text.length > LONG && "long", speaking && "speaking"].filter(Boolean).join(" ");
      item.replaceChildren(...(line.kind === "driver" ? understoodPieces(line.text, understood) : pieces(line, speaking)));
    });
    talk.scrollTop = talk.scrollHeight;
  }

  function render(state) {
    const w = words().unit;
    set(talk, { "aria-label": w.talk });
    set(replies, { "aria-label": w.replies });
    empty.hidden = state.talk.length > 0;
    if (shown.w !== w) {
      write(hello, w.hello);
      examples.replaceChildren(...w.examples.map((example) => make("button", { type: "button", onclick: () => say(example) }, example)));
    }
    element.classList.toggle("with-cards", state.cards.length > 1);
    if (shown.talk !== state.talk || shown.speaking !== state.speaking || shown.understood !== state.understood) lines(state);
    const guiding = Boolean(state.car?.guiding);
    if (shown.cards !== state.cards || shown.w !== w || shown.driving !== state.driving || shown.guiding !== guiding) {
      const made = cardsOf(state.cards, { w, guiding, driving: state.driving, language: state.shown, say });
      cards.replaceChildren(...made.slice(0, state.driving ? DRIVING_ITEMS : made.length));
      cards.hidden = made.length === 0;
    }
    if (shown.replies !== state.replies || shown.driving !== state.driving || shown.cards !== state.cards) {
      // A numbered card is its own button.
      const left = state.replies.filter((reply) => !(state.cards.length && /^\d+$/.test(reply)));
      replies.replaceChildren(...left.slice(0, state.driving ? DRIVING_ITEMS : 8).map((reply) => make("button", { type: "button", onclick: () => say(reply) }, reply)));
      replies.hidden = left.length === 0;
    }
    if (shown.cards !== state.cards || shown.replies !== state.replies) talk.scrollTop = talk.scrollHeight;
    Object.assign(shown, { talk: state.talk, speaking: state.speaking, understood: state.understood, cards: state.cards, replies: state.replies, w, guiding, driving: state.driving });
  }

  return { element, render };
}

// Sentences with their places: [from, to).
export function sentences(text) {
  const found = [];
  for (const { index, 0: part } of text.matchAll(/.*?(?:[。！？!?]+|\.(?=\s|$)|$)\s*/gsu)) if (part) found.push([index, index + part.length]);
  return found;
}

// A reply in pieces: first sentence, middle, last; and the clause that sounds. While driving only some of them are shown.
function pieces({ text }, speaking) {
  const parts = sentences(text);
  const start = speaking ? text.indexOf(speaking.text.trim()) : -1;
  const sounding = start < 0 ? null : [start, start + speaking.text.trim().length];
  const spans = [];
  parts.forEach(([from, to], place) => {
    const kind = place === 0 ? "head" : place === parts.length - 1 ? "tail" : "rest";
    const cuts = [from, ...(sounding ?? []).filter((cut) => cut > from && cut < to), to];
    for (let i = 0; i + 1 < cuts.length; i++) {
      const now = sounding && cuts[i] >= sounding[0] && cuts[i + 1] <= sounding[1];
      spans.push(make("span", { class: now ? `${kind} sounding` : kind }, text.slice(cuts[i], cuts[i + 1])));
    }
  });
  return spans;
}

// The driver's words, with those underlined that were made something of.
function understoodPieces(text, understood) {
  const marks = (understood?.entities ?? [])
    .filter((e) => Number.isInteger(e.start) && e.end > e.start && e.end <= text.length)
    .sort((a, b) => a.start - b.start);
  const out = [];
  let at = 0;
  for (const { start, end } of marks) {
    if (start < at) continue;
    out.push(text.slice(at, start), make("em", {}, text.slice(start, end)));
    at = end;
  }
  return [...out, text.slice(at)];
}
