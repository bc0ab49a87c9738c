// The tester's panel: text for the same session, the world, the events, a recording. Folded away on car display and telephone.
import { make, set, write } from "../dom.js";
import { fill } from "../words.js";
import { mountChat } from "./chat.js";
import { mountEvents } from "./events.js";
import { mountRecord } from "./record.js";
import { mountWorld } from "./world.js";

const TABS = ["chat", "world", "events"];
const KEPT_TAB = "panel-tab";

export function mountPanel(element, room) {
  const { store, words } = room;
  const line = make("p", { id: "panel-line", class: "p-line", role: "status" });
  const retry = make("button", { id: "retry", type: "button", class: "p-small p-main", hidden: true, onclick: () => store.dispatch({ type: "@retry" }) });
  const record = make("section", { class: "p-recorder" });
  const bar = make("div", { class: "p-tabs", role: "tablist" });
  const tabs = {};
  const sheets = {};
  for (const id of TABS) {
    tabs[id] = make("button", {
      type: "button", role: "tab", id: `tab-${id}`, "aria-controls": `sheet-${id}`, onclick: () => choose(id), onkeydown: (event) => step(event, id),
    });
    sheets[id] = make("section", { role: "tabpanel", id: `sheet-${id}`, class: "p-sheet", "aria-labelledby": `tab-${id}`, hidden: true });
    bar.append(tabs[id]);
  }
  const keys = make("p", { class: "p-soft p-keys" });
  element.append(make("header", { class: "p-bar" }, line, retry), record, bar, ...TABS.map((id) => sheets[id]), keys);

  const shown = { chat: mountChat(sheets.chat, room), world: mountWorld(sheets.world, room), events: mountEvents(sheets.events, room) };
  const pressRecord = mountRecord(record, room);

  function choose(id, focus = false) {
    for (const each of TABS) {
      set(tabs[each], { "aria-selected": String(each === id), tabindex: each === id ? 0 : -1 });
      sheets[each].hidden = each !== id;
    }
    localStorage.setItem(KEPT_TAB, id);
    if (focus) tabs[id].focus();
    if (id !== "chat" || focus === null) shown[id]();
  }

  function step(event, id) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    choose(TABS[(TABS.indexOf(id) + by + TABS.length) % TABS.length], true);
  }

  // Alt and a digit: a tab (the panel opens for it); Alt+0: folded away or back; Alt+R: the recording.
  addEventListener("keydown", (event) => {
    if (!event.altKey || event.ctrlKey || event.metaKey) return;
    const digit = /^Digit([0-3])$/.exec(event.code)?.[1];
    if (digit === "0") document.getElementById("panel-switch").click();
    else if (digit) {
      if (element.hidden) document.getElementById("panel-switch").click();
      choose(TABS[digit - 1], TABS[digit - 1] === "chat" ? null : true);
    } else if (event.code === "KeyR") pressRecord();
    else return;
    event.preventDefault();
  });

  let countdown = 0;
  function showLine({ retryAt } = {}) {
    clearTimeout(countdown);
    const w = words().panel;
    const { line: now } = store.state;
    const seconds = retryAt ? Math.max(0, Math.ceil((retryAt - Date.now()) / 1000)) : 0;
    write(line, fill(w.lines[now], { seconds, session: store.state.session.slice(0, 8) }));
    set(line, { "data-line": now });
    retry.hidden = now !== "lost";
    if (now === "lost" && seconds > 0) countdown = setTimeout(() => showLine({ retryAt }), 1000);
  }
  let retryAt;
  store.on("@line", (message) => {
    retryAt = message.retryAt;
    showLine(message);
  });
  store.on("welcome", () => showLine());

  let labelled = "";
  store.subscribe((state) => {
    if (labelled === state.shown) return;
    labelled = state.shown;
    const w = words().panel;
    for (const [number, id] of TABS.entries()) {
      write(tabs[id], w.tabs[id]);
      set(tabs[id], { "aria-keyshortcuts": `Alt+${number + 1}` });
    }
    set(bar, { "aria-label": w.name });
    write(retry, w.retry);
    write(keys, w.keys);
    showLine({ retryAt });
    for (const id of TABS) if (id !== "chat" && !sheets[id].hidden) shown[id]();
  });
  // What was folded away is drawn when it comes back.
  new MutationObserver(() => { if (!element.hidden) for (const id of TABS) if (id !== "chat" && !sheets[id].hidden) shown[id](); })
    .observe(element, { attributes: true, attributeFilter: ["hidden"] });
  const kept = localStorage.getItem(KEPT_TAB);
  choose(TABS.includes(kept) ? kept : "chat");
}
