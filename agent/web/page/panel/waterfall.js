// How long a turn took and where: one bar a stage, each beginning where the one before ended.
import { make, write } from "../dom.js";

// The order in which a turn goes through them (docs/protocol.md); what is unknown comes before what is left over.
const STAGES = ["waiting", "cleaning", "safety", "understanding", "policy", "action", "backend", "store"];
const VOICE = ["end_of_speech", "recognition", "dialogue", "first_audio"];
const LEAST_SHOWN_MS = 0.05;

// [{ stage, start, ms }] of a `spoke`, adding up to its total.
export function stagesOf(spoke) {
  const timings = spoke.timings ?? {};
  const known = [...STAGES, ...Object.keys(timings).filter((stage) => !STAGES.includes(stage) && stage !== "other"), "other"];
  return inARow(known.map((stage) => [stage, Number(timings[stage]) || 0]));
}

// The same of a `latency`: from the driver's last word to the first sound.
export const partsOf = (latency) => inARow(VOICE.map((part) => [part, Number(latency[`${part}_ms`]) || 0]));

function inARow(rows) {
  let start = 0;
  const bars = [];
  for (const [stage, ms] of rows) {
    if (ms >= LEAST_SHOWN_MS) bars.push({ stage, start, ms });
    start += ms;
  }
  return bars;
}

export const milliseconds = (ms) => (ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : ms >= 10 ? `${ms.toFixed(0)} ms` : `${ms.toFixed(1)} ms`);

// A table of bars; `names` gives a stage's word.
export function waterfall(bars, total, caption, names) {
  const body = make("tbody");
  for (const { stage, start, ms } of bars) {
    const bar = make("div", { class: `p-stage stage-${stage}` });
    bar.style.marginInlineStart = `${share(start, total)}%`;
    bar.style.inlineSize = `${Math.max(0.6, share(ms, total))}%`;
    body.append(
      make("tr", { "data-stage": stage, "data-ms": ms }, make("th", { scope: "row" }, names[stage] ?? stage), make("td", {}, bar), make("td", { class: "p-ms" }, milliseconds(ms))),
    );
  }
  return make("table", { class: "p-waterfall" }, make("caption", {}, `${caption}: ${milliseconds(total)}`), body);
}

// The same in one line, for a row of the event stream.
export function strip(bars, total) {
  const line = make("span", { class: "p-strip", "aria-hidden": "true" });
  for (const { stage, ms } of bars) {
    const part = make("span", { class: `stage-${stage}` });
    part.style.inlineSize = `${share(ms, total)}%`;
    line.append(part);
  }
  return line;
}

const share = (ms, total) => (total > 0 ? Math.min(100, (100 * ms) / total) : 0);

// The last turn's waterfall, kept up to date in `element`.
export function mountLastTurn(element, { store, words }) {
  let spoke = null;
  let latency = null;
  const title = make("h2");
  const tables = make("div", { class: "p-tables" });
  element.append(title, tables);
  const show = () => {
    const w = words().panel;
    write(title, w.lastTurn);
    tables.replaceChildren(
      ...(spoke ? [waterfall(stagesOf(spoke), spoke.total_ms, w.turnTook, w.stages)] : [make("p", { class: "p-soft" }, w.noTurn)]),
      ...(latency ? [waterfall(partsOf(latency), latency.total_ms, w.voiceTook, w.stages)] : []),
    );
  };
  store.on("spoke", (message) => {
    spoke = message;
    latency = null;
    show();
  });
  store.on("latency", (message) => {
    latency = message;
    show();
  });
  show();
  return show;
}
