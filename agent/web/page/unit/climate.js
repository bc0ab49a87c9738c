// Climate by zone. A finger asks the car through `touch`; what is shown is what the car reports.
import { icon, make, set, write } from "../dom.js";
import { fill } from "../words.js";
import { degrees, percent, stage } from "./format.js";
import { icons, seats, switches as table } from "./tables.js";

const HVAC = "Vehicle.Cabin.HVAC";
const POWER = "Vehicle.Private.HVAC.IsOn";
const WHEEL = "Vehicle.Chassis.SteeringWheel.HeatingCooling";
const FAN = 7;
const SEAT = 3;

export function mountClimate({ store, send, words, language }) {
  const touch = (path, value) => send({ type: "touch", path, value, language: language() });
  const value = (path) => store.state.signals[path];
  const switches = table.map(([name, path]) => {
    const label = make("span");
    const button = make("button", { type: "button", class: "switch", onclick: () => touch(path, !value(path)) }, label);
    return { name, path, button, label };
  });
  const zones = seats.map(([name, row, side]) => zone(name, `${HVAC}.Station.Row${row}.${side}`, `Vehicle.Cabin.Seat.Row${row}.${side}Side.HeatingCooling`, touch, value));
  const wheel = stepper("wheel", () => stage(value(WHEEL) ?? 0, SEAT), (step) => touch(WHEEL, percent(step, SEAT)), 0, SEAT);
  const element = make(
    "div", { class: "climate" },
    make("div", { class: "zones" }, ...zones.slice(0, 2).map((z) => z.element)),
    make("div", { class: "switches" }, ...switches.map((s) => s.button)),
    wheel.element,
    make("div", { class: "zones rear" }, ...zones.slice(2).map((z) => z.element)),
  );

  function render(state) {
    const w = words().unit.climate;
    // The driver's zone on the driver's side.
    element.classList.toggle("right", state.signals["Vehicle.Cabin.DriverPosition"] !== "LEFT");
    element.classList.toggle("off", state.signals[POWER] === false);
    for (const { name, path, button, label } of switches) {
      write(label, w[name]);
      set(button, { "aria-pressed": String(state.signals[path] === true) });
    }
    for (const made of zones) made.render(state, w);
    wheel.render(w, w.wheel, (step) => `${w.wheel} ${w.stages[step]}`);
  }

  return { element, render };
}

function zone(name, path, seatPath, touch, value) {
  const title = make("h2");
  const temperature = stepper(
    "temperature",
    () => value(`${path}.Temperature`) ?? 24, (to) => touch(`${path}.Temperature`, to), 18, 28, 0.5,
  );
  const fan = stepper("fan", () => stage(value(`${path}.FanSpeed`) ?? 0, FAN), (step) => touch(`${path}.FanSpeed`, percent(step, FAN)), 0, FAN);
  const seat = stepper("seat", () => stage(value(seatPath) ?? 0, SEAT), (step) => touch(seatPath, percent(step, SEAT)), -SEAT, SEAT);
  const element = make("section", { class: `zone ${name}` }, title, temperature.element, fan.element, seat.element);
  return {
    element,
    render(state, w) {
      write(title, w.zones[name]);
      temperature.render(w, fill(w.of, { what: w.temperature, zone: w.zones[name] }), degrees);
      fan.render(w, fill(w.of, { what: w.fan, zone: w.zones[name] }), (step) => `${w.fan} ${step}`);
      seat.render(w, fill(w.of, { what: w.seat, zone: w.zones[name] }), (step) => (step ? `${step > 0 ? w.heat : w.cool} ${Math.abs(step)}` : w.seat_off));
    },
  };
}

// − value +. Neighbours of the present value are asked for; the car says what it became.
function stepper(kind, get, ask, least, most, step = 1) {
  const less = make("button", { type: "button", class: "step", onclick: () => ask(Math.max(least, get() - step)) }, icon(icons.minus));
  const more = make("button", { type: "button", class: "step", onclick: () => ask(Math.min(most, get() + step)) }, icon(icons.plus));
  const shown = make("output");
  const element = make("div", { class: `stepper ${kind}`, role: "group" }, less, shown, more);
  return {
    element,
    render(w, name, format) {
      const now = get();
      set(element, { "aria-label": name });
      set(less, { "aria-label": `${name} ${w.less}`, disabled: now <= least });
      set(more, { "aria-label": `${name} ${w.more}`, disabled: now >= most });
      write(shown, format(now));
    },
  };
}
