// The tester's panel: how the car drives, and the events as they come.
import { make, write } from "../dom.js";

const SHOWN = 200;
const QUIET = new Set(["car", "welcome", "handoff_so_far", "shown", "signals", "signal", "partial"]);

export function mountPanel(element, { store, send, words }) {
  const drive = make("select", { id: "drive", onchange: () => send({ type: "drive", factor: Number(drive.value) }) });
  drive.append(...[0, 1, 10, 60].map((factor) => make("option", { value: factor }, `${factor}×`)));
  const driveLabel = make("span");
  const title = make("h2");
  const list = make("ol", { id: "events", tabindex: 0 });
  element.append(make("label", {}, driveLabel, " ", drive), title, list);

  store.on("*", (message) => {
    if (message.type.startsWith("@") || QUIET.has(message.type)) return;
    list.append(make("li", {}, make("b", {}, message.type), ` ${summary(message)}`));
    while (list.children.length > SHOWN) list.firstChild.remove();
    list.scrollTop = list.scrollHeight;
  });
  store.subscribe(({ car }) => {
    write(driveLabel, words().panel.drive);
    write(title, words().panel.events);
    if (car && document.activeElement !== drive) drive.value = String(car.factor);
  });
}

function summary(message) {
  const entities = (list) => list.map((e) => `${e.entity}=${JSON.stringify(e.value)}`).join(" ");
  const summaries = {
    heard: () => `${message.language} #${message.turn}`,
    understood: () => `${message.function} · ${message.intent} ${message.confidence.toFixed(2)} ${entities(message.entities)}`,
    acted: () => `${message.ok ? "✓" : "✗"} ${message.name} ${JSON.stringify(message.arguments)}`,
    spoke: () => `${message.context} · ${message.total_ms.toFixed(0)} ms`,
    error: () => `${message.stage}: ${message.code}`,
    refused: () => message.reason,
    notice: () => message.kind,
    relayed: () => (message.delivered ? "✓" : "…"),
    handoff: () => `${message.state} · ${message.owner}`,
    push: () => `${message.kind} ${message.state}`,
  };
  return summaries[message.type]?.() ?? "";
}
