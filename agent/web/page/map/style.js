// How the map looks is a table (style.json): MapLibre's layers with colours by name ("$water") and two palettes for them. Land and
// water keep quiet, roads are told by width and lightness, and the one strong colour is the route's.
const table = await (await fetch(new URL("./style.json", import.meta.url))).json();

export const { palettes: PALETTES, signs, dots, arrows, flat, icons } = table;
const DRIVE = ["other-routes", "predicted", "route", "traffic", "waypoints"];
const NAMES = {
  ja: ["coalesce", ["get", "name_ja"], ["get", "name"]],
  en: ["coalesce", ["get", "name_en"], ["get", "name"]],
};

export function style(palette, language, info, origin) {
  const { attribution } = info;
  const data = { type: "FeatureCollection", features: [] };
  const sources = Object.fromEntries(DRIVE.map((name) => [name, { type: "geojson", data }]));
  if (info.tiles) sources.map = { type: "vector", tiles: [`${origin}/map/tiles/{z}/{x}/{y}?${info.query}`], minzoom: info.first_zoom, maxzoom: info.last_zoom, attribution };
  else if (info.installed) sources.roads = { type: "geojson", data: `${origin}/map/roads?${info.query}`, attribution };
  const layers = [...(info.tiles ? table.ground : table.bare), ...table.over, ...(info.tiles ? table.names : [])];
  return { version: 8, name: palette, sources, layers: coloured(layers.filter((l) => !l.source || sources[l.source]), PALETTES[palette], NAMES[language] ?? NAMES.ja) };
}

function coloured(value, colours, name) {
  if (typeof value === "string") return value === "$name" ? name : value[0] === "$" ? colours[value.slice(1)] : value;
  if (Array.isArray(value)) return value.map((item) => coloured(item, colours, name));
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, coloured(item, colours, name)]));
  return value;
}

// A map already drawn takes another palette or language: only what differs is set.
export function restyle(map, next) {
  for (const layer of next.layers) {
    for (const [name, value] of Object.entries(layer.paint ?? {})) map.setPaintProperty(layer.id, name, value);
    if (layer.layout?.["text-field"]) map.setLayoutProperty(layer.id, "text-field", layer.layout["text-field"]);
  }
}
