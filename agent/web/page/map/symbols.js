// The map's own pictures: signs for what happens on the road, dots for places. Each kind has a shape of its own, not only a colour.
const SIZE = 56; // twice the size it is shown in
const SVG = "http://www.w3.org/2000/svg";

// kind → [ground, path of the ground, path of the sign on it], in a 24×24 box
const SIGNS = {
  accident: ["#ff6b5e", "M12 2 22.5 21h-21z", "M12 9v6M12 17.6v.6"],
  closure: ["#e0314f", "M12 2a10 10 0 1 0 .01 0z", "M6.5 12h11"],
  restriction: ["#f2b33d", "M12 1.5 22.5 12 12 22.5 1.5 12z", "M12 7.5v5.5M12 16v.6"],
  roadworks: ["#f2b33d", "M4 4h16v16H4z", "M8 16l4-8 4 8M9.5 13.2h5"],
  jam: ["#ff8a3d", "M6 3h12a4 4 0 0 1 4 4v10a4 4 0 0 1-4 4H6a4 4 0 0 1-4-4V7a4 4 0 0 1 4-4z", "M6 8h12M6 12h9M6 16h12"],
};

export const SIGN_KINDS = Object.keys(SIGNS);

const INK = { accident: "#2a0703", closure: "#fff", restriction: "#2b1d02", roadworks: "#2b1d02", jam: "#2c1200" };

export function signElement(kind) {
  const [ground, shape, sign] = SIGNS[kind] ?? SIGNS.restriction;
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "-1 -1 26 26");
  svg.setAttribute("aria-hidden", "true");
  for (const [d, fill, stroke, width] of [[shape, ground, "rgb(0 0 0 / .55)", 1.2], [sign, "none", INK[kind] ?? "#000", 2.6]]) {
    const path = document.createElementNS(SVG, "path");
    for (const [name, value] of Object.entries({ d, fill, stroke, "stroke-width": width, "stroke-linecap": "round", "stroke-linejoin": "round" })) path.setAttribute(name, value);
    svg.append(path);
  }
  return svg;
}

const DOTS = {
  "spot-station": ["#8fa6b8", (x) => x.roundRect(14, 14, 28, 28, 8), "#10161c"],
  "spot-exit": ["#6f9c82", (x) => x.roundRect(17, 17, 22, 22, 4), "#10161c"],
  "spot-sight": ["#b59ad6", (x) => x.arc(28, 28, 11, 0, 7), "#10161c"],
  "spot-park": ["#6fae8d", (x) => x.arc(28, 28, 11, 0, 7), "#10161c"],
  "spot-airport": ["#7fb2dd", (x) => x.arc(28, 28, 14, 0, 7), "#10161c"],
};

function draw(size, paint) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const x = canvas.getContext("2d");
  paint(x);
  return x.getImageData(0, 0, size, size);
}

function shield(ground) {
  return draw(40, (x) => {
    x.fillStyle = ground;
    x.beginPath();
    x.roundRect(1, 1, 38, 38, 10);
    x.fill();
  });
}

export function addImages(map, colours) {
  const put = (name, image, options) => (map.hasImage(name) ? map.updateImage(name, image) : map.addImage(name, image, options));
  for (const [name, [ground, path, edge]] of Object.entries(DOTS)) {
    const image = draw(SIZE, (x) => {
      x.beginPath();
      path(x);
      x.fillStyle = ground;
      x.strokeStyle = edge;
      x.lineWidth = 5;
      x.stroke();
      x.fill();
    });
    put(name, image, { pixelRatio: 2 });
  }
  const stretch = { pixelRatio: 2, stretchX: [[12, 28]], stretchY: [[12, 28]], content: [6, 6, 34, 34] };
  put("shield", shield(colours.shield), stretch);
  put("shield-motorway", shield("#2f7d4f"), stretch);
}

// The car from above: an arrow in a soft disc.
export function carElement() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 64 64");
  svg.setAttribute("aria-hidden", "true");
  const add = (tag, attributes) => {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    svg.append(made);
  };
  add("circle", { cx: 32, cy: 32, r: 30, class: "car-disc" });
  add("path", { d: "M32 9 51 52c.9 2-1.2 4-3.2 3.1L32 48 16.2 55.1C14.200 56 12.1 54 13 52z", class: "car-arrow" });
  return svg;
}

// Arrows of the manoeuvres, as lines in a 24×24 box.
const ARROWS = {
  straight: "M12 21V4M6 10l6-6 6 6",
  right: "M6 21v-8a4 4 0 0 1 4-4h9M14 4l5 5-5 5",
  left: "M18 21v-8a4 4 0 0 0-4-4H5M10 4 5 9l5 5",
  slight_right: "M8 21v-7l8-9M10 5h6.5v6.5",
  slight_left: "M16 21v-7L8 5M14 5H7.5v6.5",
  uturn: "M7 21V9a5 5 0 0 1 10 0v7M13 12.5l4 4 4-4",
  goal: "M6 22V3h12l-3 4.5L18 12H6",
};

export function arrowOf(kind = "") {
  if (kind.startsWith("destination")) return ARROWS.goal;
  if (kind.startsWith("uturn")) return ARROWS.uturn;
  if (/^(slight|stay|merge|ramp|exit)_?right/.test(kind)) return ARROWS.slight_right;
  if (/^(slight|stay|merge|ramp|exit)_?left/.test(kind)) return ARROWS.slight_left;
  if (kind.endsWith("right")) return ARROWS.right;
  if (kind.endsWith("left")) return ARROWS.left;
  return ARROWS.straight;
}
