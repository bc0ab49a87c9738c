// How the map looks: one style, two palettes. Drawn by hand for a screen that is glanced at: land and water keep quiet, roads are
// told by width and lightness, and the one strong colour is the route's.
const FONT = ["Noto Sans CJK JP", "Noto Sans JP", "Hiragino Sans", "Yu Gothic UI", "sans-serif"];

export const PALETTES = {
  night: {
    land: "#0f161d", built: "#151e27", trade: "#1a2530", industry: "#181f2b", wood: "#0f201e", park: "#143026", grass: "#12251f", farm: "#12221c",
    water: "#0a2540", river: "#0d2c4a", building: "#1b2732", buildingLine: "#22303c",
    motorway: "#6b88a3", motorwayCase: "#0b1219", trunk: "#577390", primary: "#465d73", secondary: "#384c5e", tertiary: "#314252", street: "#293744", case: "#0b1219",
    rail: "#33424f", runway: "#22303c",
    label: "#c3d0db", soft: "#8296a7", road: "#93a6b6", waterLabel: "#5f8fb8", greenLabel: "#6fa58c", halo: "#0b1118", shield: "#2b3f52", shieldText: "#d5e2ec",
    route: "#7fd8c9", routeCase: "#0d3b3a", other: "#6d8597", otherCase: "#0d151c", predicted: "#c9a7f5", jam: "#ff6b5e", slow: "#ffb454", closed: "#ff5d73",
  },
  day: {
    land: "#f2f3ef", built: "#e8eae6", trade: "#eee6df", industry: "#e4e5ea", wood: "#d3e5d0", park: "#c9e6c3", grass: "#ddebd4", farm: "#e6eddb",
    water: "#a9cfe6", river: "#a9cfe6", building: "#dfe1de", buildingLine: "#d2d6d3",
    motorway: "#f0bd6e", motorwayCase: "#cf9a4c", trunk: "#f6d596", primary: "#ffffff", secondary: "#ffffff", tertiary: "#ffffff", street: "#ffffff", case: "#cbd2d3",
    rail: "#b3bbc1", runway: "#cfd4da",
    label: "#26343f", soft: "#5b6b78", road: "#4b5a66", waterLabel: "#2f6d9a", greenLabel: "#35704d", halo: "#ffffff", shield: "#3f6f9c", shieldText: "#ffffff",
    route: "#0b8a7a", routeCase: "#ffffff", other: "#7f93a3", otherCase: "#ffffff", predicted: "#7b4fc4", jam: "#d7342a", slow: "#e08600", closed: "#c2123a",
  },
};

const zoomed = (...stops) => ["interpolate", ["exponential", 1.5], ["zoom"], ...stops];
const kind = (...kinds) => ["match", ["get", "kind"], kinds, true, false];
const byKind = (table, rest) => ["match", ["get", "kind"], ...Object.entries(table).flat(), rest];
const nameIn = (language) => (language === "en" ? ["coalesce", ["get", "name_en"], ["get", "name"]] : ["coalesce", ["get", "name_ja"], ["get", "name"]]);

const ROADS = [
  // class, width by zoom, first zoom, width of the edge beyond it
  ["street", [12, 0.4, 14, 2, 16, 7, 19, 26], 12],
  ["tertiary", [11, 0.5, 14, 3, 16, 9, 19, 30], 11],
  ["secondary", [10, 0.6, 14, 4, 16, 11, 19, 34], 10],
  ["primary", [8, 0.5, 12, 2, 14, 4.2, 16, 10.5, 19, 34], 8],
  ["trunk", [7, 0.6, 12, 2.6, 14, 5, 16, 11, 19, 36], 7],
  ["motorway", [5, 0.7, 10, 2, 12, 3.2, 14, 5.2, 16, 12, 19, 38], 5],
];

export function style(palette, language, info, origin) {
  const c = PALETTES[palette];
  const layers = [{ id: "land", type: "background", paint: { "background-color": c.land } }];
  const add = (id, type, source, more) => layers.push({ id, type, source: "map", "source-layer": source, ...more });
  const sources = {};
  for (const name of ["other-routes", "predicted", "route", "traffic", "waypoints"]) sources[name] = { type: "geojson", data: EMPTY, ...(name === "route" ? { tolerance: 0.2 } : {}) };
  if (info.tiles) {
    sources.map = { type: "vector", tiles: [`${origin}/map/tiles/{z}/{x}/{y}?${info.query}`], minzoom: info.first_zoom, maxzoom: info.last_zoom, attribution: info.attribution };
    ground(add, c);
    roads(add, c);
  } else if (info.installed) {
    sources.roads = { type: "geojson", data: `${origin}/map/roads?${info.query}`, attribution: info.attribution };
    bareRoads(layers, c);
  }
  over(layers, c);
  if (info.tiles) labels(add, c, language);
  return { version: 8, name: palette, sources, layers };
}

const EMPTY = { type: "FeatureCollection", features: [] };

function ground(add, c) {
  add("built", "fill", "built", { paint: { "fill-color": byKind({ trade: c.trade, industry: c.industry, airport: c.industry, campus: c.trade }, c.built), "fill-antialias": false } });
  // Woods lie under towns in the valleys; parks in towns lie over them.
  add("wood", "fill", "green", { filter: kind("wood", "farm", "grass"), paint: { "fill-color": byKind({ wood: c.wood, farm: c.farm }, c.grass), "fill-antialias": false } });
  add("built-over", "fill", "built", { filter: kind("homes", "trade"), paint: { "fill-color": byKind({ trade: c.trade }, c.built), "fill-antialias": false } });
  add("park", "fill", "green", { filter: kind("park"), paint: { "fill-color": c.park } });
  add("water", "fill", "water", { paint: { "fill-color": c.water } });
  add("waterway", "line", "waterway", { layout: { "line-cap": "round", "line-join": "round" }, paint: { "line-color": c.river, "line-width": ["interpolate", ["exponential", 2], ["zoom"], 8, byKind({ river: 0.8 }, 0.2), 12, byKind({ river: 3.2 }, 0.8), 16, byKind({ river: 46 }, 5)] } });
  add("building", "fill", "building", { minzoom: 14.5, paint: { "fill-color": c.building, "fill-outline-color": c.buildingLine, "fill-opacity": zoomed(14.5, 0, 15.5, 1) } });
  add("runway", "line", "road", { filter: kind("runway"), paint: { "line-color": c.runway, "line-width": zoomed(10, 1, 14, 10, 18, 90) } });
  add("rail", "line", "rail", { filter: ["!", ["has", "tunnel"]], minzoom: 10, paint: { "line-color": c.rail, "line-width": zoomed(10, 0.6, 14, 1.6, 18, 4), "line-opacity": zoomed(10, 0.4, 13, 0.9) } });
  add("rail-ties", "line", "rail", { filter: ["!", ["has", "tunnel"]], minzoom: 13, paint: { "line-color": c.rail, "line-width": zoomed(13, 3, 18, 9), "line-dasharray": [0.2, 4] } });
}

function roads(add, c) {
  const joined = { "line-cap": "round", "line-join": "round" };
  const wider = (stops, by) => stops.map((n, i) => (i % 2 ? n + Math.min(by, 0.4 + n * 0.3) : n));
  for (const [name, width, first] of ROADS) {
    const both = [name, `${name}_link`];
    const narrow = width.map((n, i) => (i % 2 ? n * 0.6 : n));
    const filter = name === "street" ? kind("street", "lane") : kind(...both);
    const by = (stops) => ["interpolate", ["exponential", 1.5], ["zoom"], ...stops.flatMap((n, i) => (i % 2 ? [byKind({ [`${name}_link`]: narrow[i] * (n / width[i]), lane: n * 0.5 }, n)] : [n]))];
    const edge = name === "motorway" ? c.motorwayCase : c.case;
    add(`${name}-edge`, "line", "road", { filter, minzoom: first + 2, layout: joined, paint: { "line-color": edge, "line-width": by(wider(width, 2.4)) } });
    add(name, "line", "road", { filter, minzoom: first, layout: joined, paint: { "line-color": c[name], "line-width": by(width), ...(name === "street" ? { "line-opacity": zoomed(12, 0.35, 14, 1) } : {}) } });
  }
}

// A map of an earlier program, without tiles: its road lines.
function bareRoads(layers, c) {
  for (const [name, width, first] of ROADS) {
    const classes = name === "street" ? ["unclassified", "residential"] : [name];
    layers.push({
      id: name, type: "line", source: "roads", minzoom: first, filter: ["match", ["get", "class"], classes, true, false],
      layout: { "line-cap": "round", "line-join": "round" }, paint: { "line-color": c[name], "line-width": zoomed(...width) },
    });
  }
}

// What the drive adds: ways, traffic.
function over(layers, c) {
  const round = { "line-cap": "round", "line-join": "round" };
  const wide = zoomed(7, 4, 12, 6, 15, 10, 18, 20);
  const wider = zoomed(7, 6.5, 12, 9.5, 15, 15, 18, 27);
  const line = (id, source, color, width, more = {}, layout = round) => layers.push({ id, type: "line", source, layout, paint: { "line-color": color, "line-width": width, ...more } });
  line("other-routes-edge", "other-routes", c.otherCase, wider);
  line("other-routes", "other-routes", c.other, wide, { "line-opacity": 0.85 });
  line("predicted", "predicted", c.predicted, zoomed(7, 3, 12, 4.5, 16, 8), { "line-dasharray": [1.6, 1.5], "line-opacity": 0.9 }, { "line-join": "round" });
  line("route-edge", "route", c.routeCase, wider);
  line("route", "route", c.route, wide);
  const severity = byKind({ jam: c.jam, closure: c.closed, accident: c.jam }, c.slow);
  layers.push({ id: "traffic-edge", type: "line", source: "traffic", filter: ["==", ["geometry-type"], "LineString"], layout: round, paint: { "line-color": c.routeCase, "line-width": wider } });
  layers.push({ id: "traffic", type: "line", source: "traffic", filter: ["==", ["geometry-type"], "LineString"], layout: round, paint: { "line-color": severity, "line-width": wide } });
  // Hatched, so that it is not colour alone that tells.
  layers.push({ id: "traffic-hatch", type: "line", source: "traffic", filter: ["==", ["geometry-type"], "LineString"], paint: { "line-color": c.halo, "line-width": zoomed(7, 1.5, 12, 3, 15, 6, 18, 12), "line-dasharray": [0.5, 1.4], "line-opacity": 0.55 } });
  layers.push({ id: "waypoints", type: "circle", source: "waypoints", paint: { "circle-radius": 8, "circle-color": c.routeCase, "circle-stroke-color": c.route, "circle-stroke-width": 4 } });
}

function labels(add, c, language) {
  const name = nameIn(language);
  const halo = { "text-halo-color": c.halo, "text-halo-width": 1.4 };
  const label = (id, source, more, color, paint = {}) =>
    add(id, "symbol", source, { ...more, layout: { "text-font": FONT, "text-field": name, "text-padding": 6, ...more.layout }, paint: { "text-color": color, ...halo, ...paint } });
  label("water-name", "spot", { filter: kind("water"), layout: { "text-size": 12, "text-max-width": 6, "text-letter-spacing": 0.1 } }, c.waterLabel);
  label("river-name", "waterway", { filter: kind("river"), minzoom: 11, layout: { "symbol-placement": "line", "text-size": 12, "symbol-spacing": 500, "text-letter-spacing": 0.15, "text-pitch-alignment": "viewport" } }, c.waterLabel);
  label("road-name", "road", { filter: kind("motorway", "trunk", "primary", "secondary", "tertiary", "street"), minzoom: 13, layout: { "symbol-placement": "line", "text-size": zoomed(13, 10.5, 18, 14), "symbol-spacing": 420, "text-max-angle": 35, "text-pitch-alignment": "viewport" } }, c.road);
  add("shield", "symbol", "road", {
    filter: ["all", ["has", "ref"], kind("motorway", "trunk", "primary")], minzoom: 8.5,
    layout: { "symbol-placement": "line", "symbol-spacing": 360, "text-font": FONT, "text-field": ["get", "ref"], "text-size": 10.5, "text-rotation-alignment": "viewport", "icon-image": ["match", ["get", "kind"], "motorway", "shield-motorway", "shield"], "icon-text-fit": "both", "icon-text-fit-padding": [2, 5, 1, 5], "icon-rotation-alignment": "viewport", "text-padding": 20, "icon-padding": 20 },
    paint: { "text-color": c.shieldText },
  });
  const spot = (id, kinds, zoom, size, color, icon) =>
    label(id, "spot", { filter: kind(...kinds), minzoom: zoom, layout: { "symbol-sort-key": ["get", "rank"], "text-size": size, "text-variable-anchor": ["left", "right", "bottom", "top"], "text-radial-offset": 0.75, "text-justify": "auto", "text-max-width": 8, "icon-image": icon, "icon-size": 0.5, "icon-padding": 3 } }, color);
  spot("junction-name", ["junction", "services"], 12, 11, c.soft, "spot-exit");
  spot("sight-name", ["sight", "peak"], 14, 11.5, c.soft, "spot-sight");
  spot("park-name", ["park"], 14, 11.5, c.greenLabel, "spot-park");
  spot("station-name", ["station"], 12, 11.5, c.label, "spot-station");
  spot("airport-name", ["airport"], 9, 12, c.label, "spot-airport");
  const size = zoomed(6, byKind({ city: 12 }, 10), 10, byKind({ city: 15, town: 12.5 }, 11.5), 14, byKind({ city: 20, town: 16 }, 14));
  label("place-name", "place", { maxzoom: 15, layout: { "symbol-sort-key": ["get", "rank"], "text-size": size, "text-max-width": 7, "text-letter-spacing": 0.04 } }, c.label, { "text-opacity": zoomed(13, 1, 15, 0.35) });
}

// A map already drawn takes another palette or language: only what differs is set.
export function restyle(map, next) {
  for (const layer of next.layers) {
    for (const [name, value] of Object.entries(layer.paint ?? {})) map.setPaintProperty(layer.id, name, value);
    if (layer.layout?.["text-field"]) map.setLayoutProperty(layer.id, "text-field", layer.layout["text-field"]);
  }
}
