// The packet, laid out for a glance: what it is about, what is known, what was turned down, where the car is.
import { clock, el } from "./dom.js";
import { map } from "./map.js";

const RANK = { chosen: 0, shown: 1, rejected: 2 };

export function packetView(handoff, w, language, api, pick) {
  const packet = handoff.packet;
  const label = (item) => item.label[language];
  const asked = (questions) => packet.already_asked.filter((item) => (item.name === "question") === questions);
  const known = [...asked(false), ...packet.slots].map(label).concat(asked(true).map((item) => el("span", { cls: "soft" }, label(item))));
  // What was chosen last counts most.
  const candidates = packet.candidates.slice(-9).sort((a, b) => RANK[a.status] - RANK[b.status]);
  const list = (title, rows, cls) => rows.length ? el("div", { cls: `part ${cls}` }, el("h3", {}, title), el("ul", {}, rows.map((row) => el("li", {}, row)))) : null;
  return [
    el("div", { cls: "head" },
      el("b", { cls: "reason" }, w.reasons[handoff.reason] ?? handoff.reason),
      packet.test && el("span", { cls: "test" }, w.test),
      el("span", {}, w[packet.trigger]),
      el("span", {}, w.states[handoff.state] ?? handoff.state),
      el("span", { cls: "soft" }, `${packet.driver.id} · ${packet.driver.language} · ${packet.driver.contract}`)),
    el("p", { cls: "summary" }, packet.summary[language]),
    el("div", { cls: "columns" },
      el("div", {},
        list(w.known, known, "known"),
        list(w.rejected, packet.already_rejected.map(label), "rejected")),
      el("div", {}, map(packet, candidates), carView(packet, w))),
    list(w.candidates, candidates.map((c, n) => [el("b", {}, `${n + 1} `), c.name, pick && c.latitude !== null && el("button", { type: "button", cls: "pick", click: () => pick(c) }, w.push), el("span", { cls: `tag ${c.status}` }, w.status[c.status]),
      el("span", { cls: "soft" }, [c.phone, c.address].filter(Boolean).join(" · "))]), "candidates"),
    list(w.done, packet.actions.slice(-12).map((a) => [el("span", { cls: a.ok ? "ok" : "bad" }, a.ok ? "✓ " : "✗ "), `${a.name} `, el("span", { cls: "soft" }, a.arguments)]), "actions"),
    el("div", { cls: "foot soft" },
      `${w.consent}: ${packet.consent.basis}, ${clock(packet.consent.at)}${packet.consent.recording_notice ? `, ${w.recorded}` : ""}`,
      packet.redactions.length ? ` · ${w.redacted}: ${packet.redactions.reduce((sum, r) => sum + r.count, 0)}` : "",
      ` · ${packet.id} · ${w.export}: `,
      ["json", "csv", "html", "pdf"].map((format) => [el("a", { href: api.exported(handoff.id, format), target: format === "html" ? "_blank" : null, rel: "noopener" }, format), " "])),
  ].filter(Boolean);
}

function carView(packet, w) {
  const { vehicle, position, route } = packet;
  const rows = [
    [w.plate, vehicle.plate], [w.model, [vehicle.model, vehicle.drive].filter(Boolean).join(", ")], [w.occupants, vehicle.occupants],
    [w.lamps, vehicle.warning_lamps.join(", ") || w.none],
    position && [w.position, `${position.latitude.toFixed(5)}, ${position.longitude.toFixed(5)}${position.trusted ? "" : w.untrusted}`],
    position && [w.speed, `${position.speed_kmh ?? "?"} km/h · ${w.heading} ${Math.round(position.heading ?? 0)}°`],
    route && [w.route, `${route.destination} · ${((route.remaining_m ?? 0) / 1000).toFixed(1)} km · ${route.eta ? clock(route.eta) : ""}`],
  ].filter((row) => row && row[1] !== null && row[1] !== undefined);
  return el("dl", {}, rows.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

export function lineView(message, w) {
  const who = message.author ? `${w[message.speaker]} ${message.author}` : w[message.speaker];
  const sure = message.confidence === null || message.confidence === undefined ? "" : ` ${Math.round(message.confidence * 100)}%`;
  const marks = [message.spoken && el("i", {}, ` ${w.spoken}`), message.urgent && el("b", { cls: "urgent" }, w.urgent), message.corrects && el("i", {}, ` ↩ ${w.corrects} ${message.corrects}`)];
  return el("li", { cls: `${message.speaker}${message.before ? " before" : ""}${message.urgent ? " alarm" : ""}`, lang: message.language, "data-id": message.id },
    el("small", {}, `${clock(message.at)} ${who}${sure}`, marks), message.text);
}

export function pushView(push, w) {
  const { data } = push;
  const degrees = [data.high_c, data.low_c].filter((value) => value !== undefined).map((value) => `${value} ℃`).join(" / ");
  const parts = {
    notice: [data.text],
    news: [data.title, data.source, data.summary],
    weather: [data.place, data.day, w.skies[data.sky] ?? data.sky, degrees, data.chance === undefined ? "" : `${w.pushChance} ${data.chance}`],
  }[push.kind] ?? [data.name, data.phone];
  return el("p", { cls: `push ${push.state}`, "data-push": push.id }, el("b", {}, `${w.kinds[push.kind] ?? push.kind}: `), parts.filter(Boolean).join(" · "), el("span", { cls: "tag" }, w.pushStates[push.state] ?? push.state));
}
