// The world round the car, and what is the matter with the car: every control sends a `world` message, and shows what the gateway says
// is so (`world_state`), never what was merely wished.
import { make, set, write } from "../dom.js";
import { fill } from "../words.js";

const TYRE_LOSS_KPA = 60;
const PARKS_SHOWN = 12;
const SKIES = [[95, "thunder"], [71, "snow"], [51, "rain"], [3, "cloudy"], [2, "partly"], [0, "clear"]];
const skyOf = (code) => SKIES.find(([from]) => code >= from)[1];

export function mountWorld(element, { store, send, words, language }) {
  let options = null;
  const updates = []; // (state) => void: what is shown
  const labels = []; // () => void: what it is called
  const problem = make("p", { id: "world-problem", role: "alert", class: "p-problem" });
  const control = (message) => {
    write(problem, "");
    if (!send({ type: "world", ...message })) write(problem, words().panel.world.lineLost);
    // A control that was refused goes back to what is so.
    later();
  };

  // parts
  const named = (node, text) => {
    labels.push(() => write(node, text()));
    return node;
  };
  const w = () => words().panel.world;
  const group = (key, ...children) =>
    make("fieldset", { class: "p-group" }, named(make("legend"), () => w().groups[key]), ...children);
  const button = (key, onclick, id = null) => named(make("button", { type: "button", class: "p-small", id, onclick }), () => w()[key]);
  const row = (...children) => make("div", { class: "p-controls" }, ...children);
  const label = (text, field) => make("label", { class: "p-field" }, named(make("span"), text), field);

  // The value shown is the gateway's, but for a field somebody is at.
  const follow = (field, of) => {
    updates.push((state) => {
      if (document.activeElement !== field || field.tagName === "SELECT") {
        const value = of(state);
        if (field.type === "checkbox") field.checked = value;
        else if (field.value !== String(value)) field.value = String(value);
      }
    });
    return field;
  };
  const check = (id, text, of, onchange) => {
    const box = follow(make("input", { type: "checkbox", id, role: "switch", onchange: () => onchange(box.checked) }), of);
    return make("label", { class: "p-check" }, box, named(make("span"), text));
  };
  const choice = (id, values, names, of, onchange) => {
    const field = make("select", { id, onchange: () => onchange(field.value) });
    field.append(...values.map((value, i) => named(make("option", { value }), () => names()[value] ?? values[i])));
    return of ? follow(field, of) : field;
  };

  // the groups
  function build() {
    const o = options;
    const nameOf = (list, id) => () => list.find((item) => item.id === id)?.[language()] ?? id;

    const clock = make("output", { id: "world-clock", class: "p-big" });
    const time = make("input", { type: "time", id: "world-time" });
    updates.push((state) => write(clock, clockText(state, language())));
    const timeGroup = group("time",
      row(clock, named(make("span", { class: "p-soft" }), () => w().clock)),
      row(label(() => w().setTime, time), button("set", () => time.value && control({ do: "clock", time: time.value }), "world-set-time")),
      row(button("hour", () => control({ do: "clock", advance_s: 3600 }), "world-hour"), button("day", () => control({ do: "clock", advance_s: 86400 })), button("real", () => control({ do: "clock", real: true }), "world-real")),
      row(
        label(() => w().rate, choice("drive", ["0", "1", "10", "60"], () => w().rates, (state) => state.rate, (value) => control({ do: "clock", rate: Number(value) }))),
        button("pass", () => control({ do: "pass", seconds: 300 }), "world-pass"),
      ),
    );

    const where = choice("world-where", ["", ...o.prefectures], () => ({ "": w().everywhere }), null, () => later());
    const sky = make("p", { class: "p-soft", id: "world-sky" });
    updates.push((state) => write(sky, fill(w().here, { prefecture: state.here.prefecture, sky: w().skies[skyOf(state.here.code)], degrees: Math.round(state.here.temperature_c) })));
    const weather = choice("world-weather", ["", ...o.scenarios], () => w().scenarios,
      (state) => state.weather.find((one) => one.prefecture === (where.value || null))?.scenario ?? "",
      (value) => control({ do: "weather", scenario: value || null, prefecture: where.value || null }));
    const weatherGroup = group("weather", row(label(() => w().where, where), label(() => w().weather, weather)), sky);

    const ahead = make("input", { type: "number", id: "world-ahead", min: 0, max: 1000, step: 0.5, value: 2, inputmode: "decimal" });
    const onRoad = make("ul", { id: "world-events", class: "p-plain" });
    const noRoute = make("p", { class: "p-soft", id: "world-route" });
    let shownEvents = "";
    updates.push((state) => {
      write(noRoute, state.guiding ? fill(w().routeAhead, { km: (state.route_ahead_m / 1000).toFixed(1) }) : w().noRoute);
      const key = language() + JSON.stringify(state.events);
      if (key === shownEvents) return;
      shownEvents = key;
      onRoad.replaceChildren(...state.events.map((one) => {
        const delay = one.delay_s ? fill(w().delay, { minutes: Math.round(one.delay_s / 60) }) : "";
        const road = language() === "en" && one.road_en ? one.road_en : one.road;
        return make("li", { "data-id": one.id }, make("span", {}, `${w().kinds[one.kind] ?? one.kind} · ${road} ${delay}`),
          make("button", { type: "button", class: "p-small", onclick: () => control({ do: "clear_road", id: one.id }) }, w().clear));
      }));
    });
    const place = (kind) => named(
      make("button", { type: "button", class: "p-small", id: `world-${kind}`, onclick: () => control({ do: "road", kind, ahead_m: Math.max(0, Number(ahead.value) || 0) * 1000 }) }),
      () => w().kinds[kind]);
    const roadGroup = group("road", noRoute, row(label(() => w().ahead, ahead), ...["jam", "accident", "closure"].map(place)), onRoad,
      row(button("clearAll", () => control({ do: "clear_road" }), "world-clear-road")));

    const parks = make("ul", { id: "world-parks", class: "p-plain" });
    let shownParks = "";
    updates.push((state) => {
      const all = new Map(seenParks);
      for (const one of state.vacancies) if (!all.has(one.place)) all.set(one.place, one.name || one.place);
      const states = new Map(state.vacancies.map((one) => [one.place, one.state]));
      const key = language() + JSON.stringify([[...all], [...states]]);
      if (key === shownParks) return;
      shownParks = key;
      parks.replaceChildren(...[...all].map(([id, name]) => {
        const field = make("select", { "aria-label": name, onchange: () => control({ do: "vacancy", place: id, state: field.value || null, name: name.slice(0, 200) }) });
        field.append(...["", ...o.vacancies].map((value) => make("option", { value }, w().vacancies[value])));
        field.value = states.get(id) ?? "";
        return make("li", { "data-id": id }, make("span", {}, name), field);
      }));
      if (!all.size) parks.append(make("li", { class: "p-soft" }, w().noParks));
    });
    const parkGroup = group("parks", parks);

    const lineGroup = group("line",
      row(
        check("world-network", () => w().networkLost, (state) => state.network_lost, (lost) => control({ do: "network", lost })),
        check("world-contract", () => w().contractCancelled, (state) => state.contract_cancelled, (cancelled) => control({ do: "contract", cancelled })),
        check("world-news", () => w().newsOn, (state) => state.news_on, (on) => control({ do: "news", on })),
      ),
      row(label(() => w().equipment, choice("world-equipment", o.equipments, () => w().equipments, (state) => state.equipment, (unit) => control({ do: "equipment", unit })))),
    );

    const fuel = follow(make("input", { type: "range", id: "world-fuel", min: 0, max: 100, step: 1, onchange: () => control({ do: "fuel", percent: Number(fuel.value) }) }), (state) => state.fuel_percent);
    const level = make("output", { for: "world-fuel" });
    updates.push((state) => write(level, `${state.fuel_percent} %`));
    const checks = (name, list, part, of, message) =>
      make("div", { class: "p-checks", role: "group", "aria-labelledby": `world-${name}` }, named(make("p", { id: `world-${name}`, class: "p-name" }), () => w()[name]),
        ...list.map(({ id }) => check(`world-${part}-${id}`, nameOf(list, id), of(id), message(id))));
    const carGroup = group("car",
      checks("lamps", o.lamps, "lamp", (id) => (state) => state.lamps[id], (lamp) => (on) => control({ do: "lamp", lamp, on })),
      checks("doors", o.doors, "door", (id) => (state) => state.doors[id], (door) => (open) => control({ do: "door", door, open })),
      checks("seats", o.seats, "seat", (id) => (state) => state.seats[id], (seat) => (occupied) => control({ do: "seat", seat, occupied })),
      checks("tyres", o.wheels, "tyre", (id) => (state) => state.tyres[id] > 0, (wheel) => (flat) => control({ do: "tyre", wheel, loss_kpa: flat ? TYRE_LOSS_KPA : 0 })),
      row(make("label", { class: "p-field" }, named(make("span"), () => w().fuel), fuel), level),
    );

    element.replaceChildren(problem, lineGroup, timeGroup, roadGroup, weatherGroup, carGroup, parkGroup,
      row(button("resetAll", () => control({ do: "reset" }), "world-reset")));
  }

  // The car parks of the last searches, newest last.
  const seenParks = new Map();
  store.on("spoke", ({ cards }) => {
    for (const card of cards ?? []) {
      if (card.type !== "place" || (card.kind !== "parking" && !card.parking)) continue;
      seenParks.delete(card.id);
      seenParks.set(card.id, String(card.name));
      if (seenParks.size > PARKS_SHOWN) seenParks.delete(seenParks.keys().next().value);
    }
  });

  // what comes
  let waiting = false;
  let labelled = "";
  const later = () => {
    if (waiting || element.hidden || !options) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      const state = store.state.world_state;
      if (!state) return;
      if (labelled !== language()) {
        labelled = language();
        for (const write_ of labels) write_();
      }
      for (const update of updates) update(state);
    });
  };
  store.on("world_options", (message) => {
    if (options) return;
    options = message;
    build();
    later();
  });
  store.on("world_state", later);
  store.on("world_refused", (message) => {
    if (message.do !== "record") write(problem, w().refusals[message.code] ?? w().refusals.bad_value);
    later();
  });
  store.on("@line", ({ line }) => {
    set(element, { inert: line !== "open" });
    if (line === "open") send({ type: "world", do: "show" });
  });
  store.subscribe(later);
  set(element, { inert: store.state.line !== "open" });
  if (store.state.line === "open") send({ type: "world", do: "show" });
  return later;
}

function clockText(state, language) {
  const day = new Date(`${state.time.slice(0, 10)}T12:00:00`);
  const date = new Intl.DateTimeFormat(language === "en" ? "en-GB" : "ja-JP", { month: "short", day: "numeric", weekday: "short" }).format(day);
  return `${state.time.slice(11, 16)} ${date}`;
}
