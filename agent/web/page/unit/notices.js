// What the car says unasked (お知らせ), what an operator sends, and who holds the line.
import { icon, make, set, write } from "../dom.js";
import { clock } from "./format.js";
import { answers, icons, pushed, symbols } from "./tables.js";

const ANSWER_S = 45;
const DRIVING_ITEMS = 3;
const ENDED = new Set(["returned", "declined", "no_answer", "dropped", "cancelled"]);
const SHOWN_ANSWERS = 4;

export function answersOf(notice, agentplus) {
  const last = agentplus?.last_notice;
  const known = last && last.at === notice.at && last.kind === notice.kind ? last.answers : answers[notice.kind];
  return (known ?? []).filter((answer) => answer !== "confine").slice(0, SHOWN_ANSWERS);
}

// The one thing above all else: something sent, the operator's line, a notice, what the car did not take.
export function mountAlert({ store, send, words }) {
  const element = make("section", { class: "alert", "aria-live": "polite" });
  const back = make("button", { id: "back", type: "button", hidden: true, onclick: () => send({ type: "line", do: "back" }) });
  const pushes = make("div", { id: "pushes" });
  const line = make("div", { class: "line-alert", hidden: true });
  const notice = make("div", { class: "notice-alert", hidden: true });
  const refusal = make("p", { class: "refusal", role: "alert", hidden: true });
  element.append(line, pushes, notice, refusal);
  const shown = {};
  let refusalTimer = 0;

  const heading = (symbol, text, soft) => make("div", { class: "alert-head" }, icon(icons[symbol]), make("p", {}, text, soft ? make("small", {}, soft) : null));
  const close = (key) => store.dispatch({ type: "@notice_seen", key });

  function renderLine({ owner, handoff }, w) {
    const waiting = owner === "agent" && handoff && !ENDED.has(handoff.state);
    line.hidden = owner !== "operator" && !waiting;
    back.hidden = line.hidden;
    write(back, owner === "operator" ? w.back : w.give_up);
    const text = owner === "operator" ? w.with_operator : w.calling;
    line.replaceChildren(heading("person", text, owner === "operator" ? handoff?.operator : ""), back);
  }

  function renderPush(push, w) {
    if (!push) {
      pushes.replaceChildren();
      return;
    }
    const data = push.data ?? {};
    const answer = (text, accept) => make("button", { type: "button", class: accept ? "main" : "", onclick: () => send({ type: "push", id: push.id, accept }) }, text);
    const details = [data.phone, data.address, data.text !== data.name && data.text].filter(Boolean).join(" · ");
    pushes.replaceChildren(
      heading(pushed[push.kind] ?? "bell", String(data.name || push.text || w.pushed[push.kind] || ""), details || w.pushed[push.kind]),
      make("div", { class: "answers" }, answer(w.accept, true), answer(w.refuse, false)),
    );
  }

  function open(state) {
    const newest = state.notices[0];
    if (!newest?.open || state.owner === "operator") return null;
    const age = state.car ? (Date.parse(state.car.time) - Date.parse(newest.at)) / 1000 : 0;
    return age < ANSWER_S ? newest : null;
  }

  function renderNotice(state, newest, w) {
    notice.hidden = !newest;
    if (!newest) {
      notice.replaceChildren();
      return;
    }
    const say = (answer) => () => {
      send({ type: "say", text: w.answers[answer].say });
      close(newest.key);
    };
    notice.replaceChildren(
      heading(symbols[newest.kind] ?? "bell", newest.text),
      make(
        "div", { class: "answers" },
        ...answersOf(newest, state.agentplus).map((answer) => make("button", { type: "button", onclick: say(answer) }, w.answers[answer].label)),
        make("button", { type: "button", class: "quiet", "aria-label": w.close, onclick: () => close(newest.key) }, icon(icons.close)),
      ),
    );
    notice.lang = newest.language;
  }

  function render(state) {
    const w = words().unit;
    set(element, { "aria-label": w.alerts });
    if (shown.owner !== state.owner || shown.handoff !== state.handoff || shown.w !== w) renderLine(state, w);
    if (shown.push !== state.push || shown.w !== w) renderPush(state.push, w);
    const newest = state.push ? null : open(state);
    if (shown.newest !== newest || shown.agentplus !== state.agentplus || shown.w !== w) renderNotice(state, newest, w);
    if (shown.refusal !== state.refusal) {
      refusal.hidden = !state.refusal;
      write(refusal, state.refusal?.text ?? "");
      clearTimeout(refusalTimer);
      if (state.refusal) refusalTimer = setTimeout(() => (refusal.hidden = true), 6000);
    }
    element.hidden = line.hidden && !state.push && notice.hidden && refusal.hidden;
    Object.assign(shown, { owner: state.owner, handoff: state.handoff, push: state.push, newest, agentplus: state.agentplus, refusal: state.refusal, w });
  }

  return { element, render };
}

// All of them, newest first.
export function mountNotices({ words }) {
  const list = make("ol", { class: "notices" });
  const empty = make("p", { class: "empty" });
  const element = make("div", {}, empty, list);
  const shown = {};
  function render(state) {
    const w = words().unit;
    if (shown.notices === state.notices && shown.w === w && shown.driving === state.driving) return;
    const some = state.driving ? state.notices.slice(0, DRIVING_ITEMS) : state.notices;
    list.replaceChildren(
      ...some.map((n) => make("li", { lang: n.language }, icon(icons[symbols[n.kind] ?? "bell"]), make("p", {}, n.text, make("small", {}, clock(n.at))))),
    );
    empty.hidden = some.length > 0;
    write(empty, w.no_notices);
    Object.assign(shown, { notices: state.notices, w, driving: state.driving });
  }
  return { element, render };
}
