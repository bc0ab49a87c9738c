// The map where WebGL is not to be had: a plain drawing of the roads, the way, the car and what was found.
import { make } from "../dom.js";
import { bounds, fit } from "./geo.js";
import { results } from "./places.js";
import { flat, PALETTES } from "./style.js";


export function openFlat(host, info, { store, words, chrome }) {
  const canvas = host.appendChild(make("canvas", { class: "map-flat", role: "img", "aria-label": words().page.map }));
  const pen = canvas.getContext("2d");
  let roads = [];
  let zoom = 14;
  let centre = null;
  let following = true;
  let waiting = 0;
  chrome.stays(words().map.flat);
  chrome.credit(info.attribution ?? "");
  load();

  async function load() {
    if (!info.installed) return;
    try {
      const { features } = await (await fetch(`/map/roads?${info.query}`)).json();
      roads = features.map(({ properties, geometry }) => ({ kind: properties.class, line: geometry.coordinates, box: bounds(geometry.coordinates) })).reverse();
      later();
    } catch (error) {
      console.warn("the roads cannot be read", error);
    }
  }

  const later = () => { waiting ||= requestAnimationFrame(draw); };

  function draw() {
    waiting = 0;
    const { state } = store;
    const { car } = state;
    const c = PALETTES[state.light];
    const { clientWidth: width, clientHeight: height } = host;
    const dense = Math.min(2, devicePixelRatio);
    canvas.width = width * dense;
    canvas.height = height * dense;
    pen.scale(dense, dense);
    pen.fillStyle = c.land;
    pen.fillRect(0, 0, width, height);
    if (following && car) centre = [car.longitude, car.latitude];
    if (!centre) return;
    const scale = (512 * 2 ** zoom) / 360;
    const tall = scale / Math.cos((centre[1] * Math.PI) / 180);
    const unit = document.getElementById("unit")?.getBoundingClientRect();
    const middle = unit && unit.height > height / 2 && unit.right < width * 0.7 ? (unit.right + width) / 2 : width / 2;
    const at = ([x, y]) => [middle + (x - centre[0]) * scale, height / 2 - (y - centre[1]) * tall];
    const line = (points, colour, wide, dash = []) => {
      pen.beginPath();
      for (const point of points) pen.lineTo(...at(point));
      pen.strokeStyle = colour;
      pen.lineWidth = wide;
      pen.setLineDash(dash);
      pen.lineJoin = pen.lineCap = "round";
      pen.stroke();
    };
    const [dx, dy] = [width / scale, height / tall];
    const swell = 2 ** Math.max(0, (zoom - 13) * 0.8);
    for (const road of roads) {
      const [[west, south], [east, north]] = road.box;
      if (east < centre[0] - dx || west > centre[0] + dx || north < centre[1] - dy || south > centre[1] + dy || zoom < (flat.finest[road.kind] ?? 0)) continue;
      line(road.line, c[road.kind] ?? c.street, (flat.widths[road.kind] ?? 0.6) * swell);
    }
    for (const route of state.route?.routes ?? []) if (!route.chosen) line(route.line, c.other, 5);
    for (const route of state.route?.routes ?? []) if (route.chosen) line(route.line, c.route, 7);
    if (state.prediction?.p > 0) line(state.prediction.line, c.predicted, 4, [8, 8]);
    for (const event of state.traffic?.events ?? []) line(event.line, c.jam, 6, [2, 7]);
    const disc = (point, radius, ground, ink, text) => {
      const [x, y] = at(point);
      pen.setLineDash([]);
      pen.beginPath();
      pen.arc(x, y, radius, 0, 7);
      pen.fillStyle = ground;
      pen.fill();
      pen.fillStyle = ink;
      pen.font = "600 14px sans-serif";
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      pen.fillText(text, x, y + 1);
    };
    if (state.route?.destination) disc(state.route.destination.at, 9, c.route, c.land, "");
    for (const found of results(state)) disc(found.at, 13, c.label, c.land, String(found.number));
    if (car) arrow(at([car.longitude, car.latitude]), car.heading, c);
  }

  function arrow([x, y], heading, c) {
    pen.save();
    pen.translate(x, y);
    pen.rotate((heading * Math.PI) / 180);
    pen.beginPath();
    for (const point of [[0, -15], [10, 11], [0, 6], [-10, 11]]) pen.lineTo(...point);
    pen.closePath();
    pen.fillStyle = c.route;
    pen.strokeStyle = c.land;
    pen.lineWidth = 3;
    pen.setLineDash([]);
    pen.stroke();
    pen.fill();
    pen.restore();
  }

  store.subscribe(later);
  new ResizeObserver(later).observe(host);
  return {
    kind: "flat",
    follow() {
      following = true;
      later();
    },
    overview() {
      const points = [...(store.state.route?.routes ?? []).flatMap((r) => r.line), ...results(store.state).map((r) => r.at)];
      if (!points.length) return;
      following = false;
      ({ center: centre, zoom } = fit(points, host.clientWidth * 0.45, host.clientHeight * 0.7, 15));
      later();
    },
    zoom(by) {
      zoom = Math.min(18, Math.max(7, zoom + by));
      later();
    },
    turnUp() {},
    menuAtMiddle() {
      if (centre) chrome.openMenu(host.clientWidth / 2, host.clientHeight / 2, centre);
    },
    focus() {},
    reload(changed) {
      info = changed;
      load();
    },
  };
}
