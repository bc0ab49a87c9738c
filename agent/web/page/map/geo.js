// Distances and lines on the ground. Points are [longitude, latitude]; metres are those of the car's own track (haversine).
const EARTH_M = 6371008.8;
const rad = (degrees) => (degrees * Math.PI) / 180;

export function metres([ax, ay], [bx, by]) {
  const h = Math.sin(rad(by - ay) / 2) ** 2 + Math.cos(rad(ay)) * Math.cos(rad(by)) * Math.sin(rad(bx - ax) / 2) ** 2;
  return 2 * EARTH_M * Math.asin(Math.min(1, Math.sqrt(h)));
}

// Degrees, 0 = north, clockwise.
export function bearing([ax, ay], [bx, by]) {
  const y = Math.sin(rad(bx - ax)) * Math.cos(rad(by));
  const x = Math.cos(rad(ay)) * Math.sin(rad(by)) - Math.sin(rad(ay)) * Math.cos(rad(by)) * Math.cos(rad(bx - ax));
  return ((Math.atan2(y, x) * 180) / Math.PI + 360) % 360;
}

// From one direction to another the short way round, `share` of it.
export const turn = (from, to, share) => (from + ((((to - from) % 360) + 540) % 360 - 180) * share + 360) % 360;

export const between = (a, b, share) => [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share];

// A line that can be asked for the point so many metres along.
export class Track {
  constructor(points) {
    this.points = points;
    this.sums = [0];
    for (let i = 1; i < points.length; i += 1) this.sums.push(this.sums[i - 1] + metres(points[i - 1], points[i]));
  }

  get length() {
    return this.sums[this.sums.length - 1];
  }

  #piece(along) {
    let low = 0;
    let high = this.sums.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.sums[middle] <= along) low = middle;
      else high = middle;
    }
    return low;
  }

  at(along) {
    const held = Math.min(Math.max(along, 0), this.length);
    const i = this.#piece(held);
    const span = this.sums[i + 1] - this.sums[i];
    return between(this.points[i], this.points[i + 1] ?? this.points[i], span > 0 ? (held - this.sums[i]) / span : 0);
  }

  // The direction of travel there, of the next few metres: corners are taken in a curve.
  heading(along, reach = 12) {
    const from = this.at(along - reach / 3);
    const to = this.at(along + reach);
    return metres(from, to) < 0.5 ? null : bearing(from, to);
  }

  // What is still before the car.
  rest(along) {
    return [this.at(along), ...this.points.slice(this.#piece(Math.max(along, 0)) + 1)];
  }
}

const mercator = (latitude) => 0.5 - Math.asinh(Math.tan(rad(latitude))) / (2 * Math.PI);

// Where to look from above so that all points lie within so many pixels.
export function fit(points, width, height, maxZoom) {
  const [[west, south], [east, north]] = bounds(points);
  const [top, bottom] = [mercator(north), mercator(south)];
  const zoom = Math.log2(Math.min(Math.max(width, 80) / Math.max((east - west) / 360, 1e-9), Math.max(height, 80) / Math.max(bottom - top, 1e-9)) / 512);
  const middle = (Math.atan(Math.sinh((0.5 - (top + bottom) / 2) * 2 * Math.PI)) * 180) / Math.PI;
  return { center: [(west + east) / 2, middle], zoom: Math.min(zoom, maxZoom) };
}

export function bounds(points) {
  const [xs, ys] = [points.map((p) => p[0]), points.map((p) => p[1])];
  return [[Math.min(...xs), Math.min(...ys)], [Math.max(...xs), Math.max(...ys)]];
}

// Where a way is farthest from all others: its own, not a shared part. For the label that stands on it.
export function ownPoint(way, others) {
  const sparse = others.flatMap((other) => {
    const stride = Math.max(1, Math.floor(other.length / 60));
    return other.filter((_, i) => i % stride === 0);
  });
  const step = Math.max(1, Math.floor(way.length / 60));
  let best = way[way.length >> 1];
  let most = -1;
  for (let i = 0; i < way.length; i += step) {
    const off = Math.min(...sparse.map((p) => metres(way[i], p)));
    if (off > most) [best, most] = [way[i], off];
  }
  return best;
}
