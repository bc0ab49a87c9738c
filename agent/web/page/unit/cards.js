// What an answer brought along: places numbered as they are spoken, weather, news, traffic, a route, telephone numbers.
import { icon, make } from "../dom.js";
import { fill } from "../words.js";
import { clock, distance, duration, minuteOfDay, yen } from "./format.js";
import { icons } from "./tables.js";

const join = (parts) => parts.filter(Boolean);
const chip = (text, kind = "") => text && make("span", { class: `chip ${kind}` }, text);

// cards → <li> elements; cards of a kind nobody here knows are left out.
export function cardsOf(cards, context) {
  const numbered = cards.filter((card) => card.type === "place").length > 1 || cards.filter((card) => card.type === "news").length > 1;
  return cards.flatMap((card, place) => {
    // The trip stands above already.
    if (card.type === "route" && context.guiding) return [];
    const made = kinds[card.type]?.(card, context, numbered ? place + 1 : 0);
    return made ? [make("li", { class: `card ${card.type}` }, made)] : [];
  });
}

function body(number, symbol, title, details, action) {
  const badge = number ? make("span", { class: "number" }, String(number)) : make("span", { class: "badge" }, icon(icons[symbol]));
  const text = make("span", { class: "card-text" }, make("span", { class: "card-title" }, title), details.length ? make("span", { class: "chips" }, ...details) : null);
  return action ? make("button", { type: "button", class: "card-body", onclick: action }, badge, text) : make("div", { class: "card-body" }, badge, text);
}

function parking(card, w) {
  if (!card.parking) return [];
  const lot = card.parking_lot ?? {};
  const fee = card.parking === "free" ? w.parking_free : lot.fee_yen_per_hour ? fill(w.parking_hourly, { fee: yen(lot.fee_yen_per_hour) }) : w.parking_paid;
  return [chip(`P ${fee}`), lot.vacancy && chip(w.vacancy[lot.vacancy] ?? "", lot.vacancy)];
}

function hours(card, w) {
  if (card.open === true && card.hours?.some(([from, to]) => to - from >= 1440)) return chip(w.all_day, "open");
  if (card.open === true) return chip(fill(w.open_until, { time: minuteOfDay(card.closes) }), "open");
  return card.open === false && chip(w.closed, "closed");
}

const kinds = {
  place(card, { w, driving, language, say }, number) {
    const name = language === "en" && card.name_en ? card.name_en : card.name;
    const details = join([
      card.distance_m !== null && card.distance_m !== undefined && chip(distance(card.distance_m)),
      card.rating && chip(`★ ${Number(card.rating).toFixed(1)}`, "rating"),
      hours(card, w),
      ...parking(card, w),
      !driving && card.price && chip(w.price[card.price] ?? ""),
      !driving && !number && card.address && chip(card.address),
      !driving && !number && card.phone && chip(card.phone),
    ]);
    const title = card.demo ? make("span", {}, name, make("small", {}, w.demo)) : name;
    return body(number, "place", title, details, number ? () => say(fill(w.pick, { n: number })) : null);
  },
  news: (card, { w, driving, say }, number) =>
    body(number, "news", card.title, join([!driving && card.source && chip(card.source, "faint")]), number ? () => say(fill(w.news_more, { n: number })) : null),
  weather: (card, { w }) =>
    body(0, "weather", `${card.place} ${w.sky[card.sky] ?? ""}`, join([
      card.high_c !== null && chip(`↑ ${Math.round(card.high_c)}°`), card.low_c !== null && chip(`↓ ${Math.round(card.low_c)}°`),
      card.chance !== null && chip(fill(w.chance, { n: card.chance })), chip(fill(w.issued, { time: clock(card.issued_at) }), "faint"),
    ])),
  traffic: (card, { w, language }) =>
    body(0, card.kind === "accident" ? "accident" : "traffic", `${w.traffic[card.kind] ?? ""} ${language === "en" && card.road_en ? card.road_en : card.road}`, join([
      card.delay_s && chip(`+${duration(card.delay_s, w)}`, "late"), card.ahead_m && chip(fill(w.ahead, { distance: distance(card.ahead_m) })),
    ])),
  route: (card, { w }) =>
    body(0, "flag", card.name, join([chip(duration(card.duration_s, w)), chip(distance(card.distance_m)), card.via && chip(fill(w.via, { road: card.via }))])),
  phone: (card) => body(0, "phone", card.name, [chip(card.phone, "big")]),
  learnt: (card, { w, driving }) => {
    const rows = [...(card.places ?? []).map((p) => `${p.name}: ${p.words}`), ...(card.habits ?? []).map((h) => h.words), ...(card.taste ?? []).map((t) => t.words)];
    return rows.length ? body(0, "person", w.learnt, rows.slice(0, driving ? 1 : 6).map((row) => chip(row))) : null;
  },
};
