// The map's own pictures, drawn from the table (style.json): signs for what happens on the road, each kind with a shape of its own and
// not only a colour; dots for places; the car; the arrows of the manoeuvres.
import { arrows, dots, signs } from "./style.js";

const SIZE = 56; // twice the size it is shown in
const SVG = "http://www.w3.org/2000/svg";

function drawing(viewBox, ...parts) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [tag, attributes] of [[null, { viewBox, "aria-hidden": "true" }], ...parts]) {
    const element = tag ? svg.appendChild(document.createElementNS(SVG, tag)) : svg;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  }
  return svg;
}

export function signElement(kind) {
  const [ground, shape, sign, ink] = signs[kind] ?? signs.restriction;
  const round = { "stroke-linecap": "round", "stroke-linejoin": "round" };
  return drawing("-1 -1 26 26",
    ["path", { d: shape, fill: ground, stroke: "rgb(0 0 0 / .55)", "stroke-width": 1.2, ...round }],
    ["path", { d: sign, fill: "none", stroke: ink, "stroke-width": 2.6, ...round }]);
}

// From above: an arrow in a soft disc.
export const carElement = () =>
  drawing("0 0 64 64", ["circle", { cx: 32, cy: 32, r: 30, class: "car-disc" }],
    ["path", { d: "M32 9 51 52c.9 2-1.2 4-3.2 3.1L32 48 16.2 55.1C14.2 56 12.1 54 13 52z", class: "car-arrow" }]);

function picture(size, half, corner, ground, edge) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const pen = canvas.getContext("2d");
  pen.roundRect(size / 2 - half, size / 2 - half, 2 * half, 2 * half, corner);
  Object.assign(pen, { fillStyle: ground, strokeStyle: edge ?? ground, lineWidth: 5 });
  if (edge) pen.stroke();
  pen.fill();
  return pen.getImageData(0, 0, size, size);
}

export function addImages(map, colours) {
  const put = (name, image, options) => (map.hasImage(name) ? map.updateImage(name, image) : map.addImage(name, image, { pixelRatio: 2, ...options }));
  for (const [name, [ground, half, corner]] of Object.entries(dots)) put(`spot-${name}`, picture(SIZE, half, corner, ground, "#10161c"));
  const stretch = { stretchX: [[12, 28]], stretchY: [[12, 28]], content: [6, 6, 34, 34] };
  put("shield", picture(40, 19, 10, colours.shield), stretch);
  put("shield-motorway", picture(40, 19, 10, "#2f7d4f"), stretch);
}

// The arrow of one of Valhalla's manoeuvres, as a line in a 24×24 box.
export function arrowOf(kind = "") {
  if (kind.startsWith("destination")) return arrows.goal;
  if (kind.startsWith("uturn")) return arrows.uturn;
  const side = kind.match(/(right|left)$/)?.[1];
  if (!side) return arrows.straight;
  return arrows[/^(slight|stay|merge|ramp|exit)/.test(kind) ? `slight_${side}` : side];
}
