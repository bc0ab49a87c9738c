// A session as a scenario file (docs/scenarios.md), from here on to the download; nothing is kept elsewhere.
import { make, set, write } from "../dom.js";
import { fill } from "../words.js";

export function mountRecord(element, { store, send, words }) {
  const toggle = make("button", { id: "record", type: "button", class: "p-small p-record", onclick: () => press() });
  const name = make("input", { id: "record-name", maxlength: 80, autocomplete: "off" });
  const count = make("span", { id: "record-count", class: "p-soft", role: "status" });
  const problem = make("p", { class: "p-problem", role: "alert" });
  const again = make("a", { id: "record-file", class: "p-small", hidden: true });
  element.append(make("div", { class: "p-bar" }, toggle, name, count, again), problem);
  let recording = { on: false };
  let address = "";

  function press() {
    write(problem, "");
    const message = recording.on ? { do: "stop" } : { do: "start", name: name.value };
    if (!send({ type: "record", ...message })) write(problem, words().panel.world.lineLost);
  }

  function show() {
    const w = words().panel.record;
    write(toggle, recording.on ? w.stop : w.start);
    set(toggle, { "aria-pressed": String(recording.on), title: w.about });
    set(name, { "aria-label": w.name, placeholder: w.name });
    name.disabled = recording.on;
    write(count, recording.on ? fill(w.count, { turns: recording.turns, controls: recording.controls }) : "");
    write(again, w.download);
  }

  store.on("recording", (message) => {
    if (recording.on && !message.on && !message.finished) write(problem, words().panel.record.gone);
    recording = message;
    show();
  });
  store.on("recording_file", (message) => {
    if (address) URL.revokeObjectURL(address);
    address = URL.createObjectURL(new Blob([message.text], { type: "application/yaml" }));
    again.href = address;
    again.download = fileName(message.name);
    again.hidden = false;
    again.click();
  });
  store.on("world_refused", (message) => {
    if (message.do === "record") write(problem, words().panel.world.refusals[message.code] ?? words().panel.world.refusals.bad_value);
  });
  let labelled = "";
  store.subscribe(({ shown, line }) => {
    toggle.disabled = line !== "open";
    if (labelled !== shown) {
      labelled = shown;
      show();
    }
  });
  return press;
}

// A name as a file: letters of any script, digits, dashes.
const fileName = (name) => `${name.normalize("NFC").replace(/[^\p{L}\p{N}]+/gu, "_").replace(/^_+|_+$/g, "").slice(0, 60) || "scenario"}.yml`;
