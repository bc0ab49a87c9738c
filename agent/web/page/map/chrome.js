// What lies on the map: buttons for a finger, the next turn, how fast the simulated car drives, the menu of a point.
import { icon, make, set, write } from "../dom.js";
import { fill } from "../words.js";
import { icons } from "./style.js";
import { arrowOf } from "./symbols.js";

const SPEEDS = [0, 1, 10, 60];

export function addChrome(element, { store, send, words, language }) {
  let view = null;
  const buttons = {};
  const button = (name, act) => {
    buttons[name] = make("button", { type: "button", class: `map-${name}`, onclick: () => view && act() }, icon(icons[name]));
    return buttons[name];
  };
  const controls = make("div", { class: "map-controls", role: "group" },
    button("compass", () => view.turnUp()), button("in", () => view.zoom(1)), button("out", () => view.zoom(-1)),
    button("overview", () => view.overview()), button("follow", () => view.follow()));
  const speeds = make("div", { class: "map-speeds", role: "group" },
    ...SPEEDS.map((factor) => make("button", { type: "button", "data-factor": factor, onclick: () => send({ type: "drive", factor }) })));
  const turnIcon = make("span", { class: "turn-icon" });
  const turnFar = make("strong");
  const turnRoad = make("span", { class: "turn-road" });
  const banner = make("div", { class: "map-turn", hidden: true }, turnIcon, make("p", {}, turnFar, turnRoad));
  const notice = make("p", { class: "map-notice", role: "status", hidden: true });
  const menu = make("div", { class: "map-menu", role: "menu", hidden: true });
  const credit = make("p", { class: "map-credit" });
  element.append(banner, controls, speeds, notice, menu, credit);

  let arrow = "";
  store.subscribe((state) => {
    const w = words().map;
    element.dataset.labels = state.shown;
    set(controls, { "aria-label": w.controls });
    set(speeds, { "aria-label": w.speeds });
    for (const [name, made] of Object.entries(buttons)) set(made, { "aria-label": w[name], title: w[name] });
    const { car } = state;
    for (const made of speeds.children) {
      const factor = Number(made.dataset.factor);
      write(made, factor ? fill(w.times, { factor }) : w.stand);
      set(made, { "aria-pressed": String((car?.factor ?? 0) === factor), "aria-label": factor ? fill(w.drive, { factor }) : w.stand });
    }
    const next = car?.guiding ? car.next : null;
    banner.hidden = !next;
    if (!next) return;
    if (arrow !== next.kind) {
      arrow = next.kind;
      turnIcon.replaceChildren(icon(arrowOf(next.kind)));
    }
    write(turnFar, distance(next.in_m));
    write(turnRoad, next.street ?? next.text);
  });

  const close = () => {
    if (menu.hidden) return;
    menu.hidden = true;
    menu.replaceChildren();
    view?.focus();
  };
  // Before the engine sees them: its own keys would let go of the car.
  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    if (!view || event.altKey || event.ctrlKey || event.metaKey || menu.contains(event.target)) return;
    const act = { f: () => view.follow(), n: () => view.turnUp(), o: () => view.overview(), m: () => view.menuAtMiddle(), "+": () => view.zoom(1), "-": () => view.zoom(-1) }[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }, true);
  menu.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const items = [...menu.children];
    items[(items.indexOf(document.activeElement) + step + items.length) % items.length].focus();
  });

  let fading = 0;
  store.on("refused", (message) => message.of === "map" && say(message.reason));
  function say(text) {
    write(notice, text);
    notice.hidden = !text;
    clearTimeout(fading);
    if (text) fading = setTimeout(() => { notice.hidden = true; }, 6000);
  }

  return {
    use(made) {
      view = made;
    },
    say,
    credit: (text) => write(credit, text),
    // Something about the map itself that stays.
    stays(text) {
      say(text);
      clearTimeout(fading);
    },
    aim: (up) => set(buttons.compass, { "data-up": up, "aria-pressed": String(up === "heading") }),
    following: (on) => set(buttons.follow, { "aria-pressed": String(on) }),
    compass: (degrees) => buttons.compass.firstChild.style.setProperty("transform", `rotate(${-degrees}deg)`),
    close,
    // What can be done with a point of the map; x, y in pixels of the room.
    openMenu(x, y, [longitude, latitude]) {
      const w = words().map;
      const item = (text, message) =>
        make("button", { type: "button", role: "menuitem", onclick: () => { send({ ...message, latitude, longitude, language: language() }); close(); } }, text);
      menu.replaceChildren(item(w.goHere, { type: "go_to" }), item(w.carHere, { type: "place_car" }));
      menu.hidden = false;
      const room = element.getBoundingClientRect();
      menu.style.setProperty("left", `${Math.min(Math.max(x, 8), room.width - menu.offsetWidth - 8)}px`);
      menu.style.setProperty("top", `${Math.min(Math.max(y, 8), room.height - menu.offsetHeight - 8)}px`);
      menu.firstChild.focus();
    },
  };

  function distance(m) {
    const w = words().map;
    if (m >= 10000) return fill(w.km, { n: Math.round(m / 1000) });
    if (m >= 950) return fill(w.km, { n: (m / 1000).toFixed(1) });
    return fill(w.m, { n: m >= 100 ? Math.round(m / 50) * 50 : Math.max(10, Math.round(m / 10) * 10) });
  }
}
