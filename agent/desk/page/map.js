// A small map without tiles: the car with its heading and way, destination and candidates, north up, with a scale.
import { svg } from "./dom.js";

const WIDTH = 420;
const HEIGHT = 200;
const MARGIN = 34;
const SCALES = [50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000];

export function map(packet, candidates) {
  const car = packet.position;
  if (!car) return null;
  const points = [
    ...car.earlier.map((p) => ({ ...p, kind: "earlier" })),
    ...candidates.map((c, n) => ({ ...c, kind: c.status, label: String(n + 1) })).filter((c) => c.latitude !== null && c.longitude !== null),
  ];
  if (packet.route && packet.route.latitude !== null) points.push({ ...packet.route, kind: "goal", label: "◎" });
  // A candidate at the other end of the country would make everything else one dot.
  const near = points.filter((p) => p.kind === "goal" || metres(car, p) < 100000);
  const project = projection([car, ...near]);
  const drawn = near.map((p) => mark(project(p), p));
  const [x, y] = project(car);
  const turn = car.heading ?? 0;
  const arrow = svg("path", { d: "M0 -11 L7 9 L0 5 L-7 9 Z", cls: "car", transform: `translate(${x} ${y}) rotate(${turn})` });
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, cls: "map", role: "img" }, ...drawn, arrow, north(), ...scale(project.perMetre));
}

function metres(a, b) {
  const east = (b.longitude - a.longitude) * 111320 * Math.cos((a.latitude * Math.PI) / 180);
  return Math.hypot(east, (b.latitude - a.latitude) * 110540);
}

function projection(points) {
  const mid = points[0].latitude;
  const flat = points.map((p) => [p.longitude * 111320 * Math.cos((mid * Math.PI) / 180), p.latitude * 110540]);
  const [xs, ys] = [flat.map(([x]) => x), flat.map(([, y]) => y)];
  const [west, east, south, north] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const perMetre = Math.min((WIDTH - 2 * MARGIN) / Math.max(400, east - west), (HEIGHT - 2 * MARGIN) / Math.max(200, north - south));
  const project = (p) => [
    round(WIDTH / 2 + (p.longitude * 111320 * Math.cos((mid * Math.PI) / 180) - (west + east) / 2) * perMetre),
    round(HEIGHT / 2 - (p.latitude * 110540 - (south + north) / 2) * perMetre),
  ];
  project.perMetre = perMetre;
  return project;
}

function mark([x, y], point) {
  const dot = svg("circle", { cx: x, cy: y, r: point.kind === "earlier" ? 3 : 8, cls: point.kind });
  const title = svg("title", {}, point.name ?? point.destination ?? "");
  return svg("g", {}, dot, title, point.label && svg("text", { x, y: y + 3.5, "text-anchor": "middle" }, point.label));
}

function north() {
  return svg("text", { x: WIDTH - 16, y: 20, "text-anchor": "middle", cls: "soft" }, "N↑");
}

function scale(perMetre) {
  const length = SCALES.findLast((metre) => metre * perMetre <= 130) ?? SCALES[0];
  const text = length >= 1000 ? `${length / 1000} km` : `${length} m`;
  return [
    svg("line", { x1: 12, y1: HEIGHT - 12, x2: 12 + length * perMetre, y2: HEIGHT - 12, cls: "scale" }),
    svg("text", { x: 12, y: HEIGHT - 18, cls: "soft" }, text),
  ];
}

const round = (value) => Math.round(value * 10) / 10;
