// The map by MapLibre: follows the car, shows the ways, the events, the results.
import { make, set } from "../dom.js";
import { fill } from "../words.js";
import { fit, ownPoint, turn } from "./geo.js";
import { Motion } from "./motion.js";
import { results, spoken } from "./places.js";
import { PALETTES, restyle, style } from "./style.js";
import { addImages, carElement, signElement } from "./symbols.js";

const LOOK_BACK_MS = 20000; // hands off so long: back to the car, when it drives
const OVERVIEW_MS = 5000;
const TILT = 48;
const FIRST_ZOOM = 14.4;
const SLOW_MS = 70;
const COARSE = 0.6;
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

const feature = (coordinates, properties = {}) => ({
  type: "Feature", properties, geometry: coordinates.length === 1 ? { type: "Point", coordinates: coordinates[0] } : { type: "LineString", coordinates },
});
const collection = (features) => ({ type: "FeatureCollection", features });

export function openView(engine, host, info, room) {
  const { store, send, words, language, chrome } = room;
  let mode = "follow"; // follow, overview, free
  let up = localStorage.getItem("map-up") ?? "heading";
  let light = store.state.light;
  let labels = language();
  let since = 0; // when a hand last moved the map, or an overview was shown
  let zoomBy = 0; // what the driver added to the zoom of following
  let routes = [];
  let shownRoute = null;
  let framed = false;
  let heading = null;
  const motion = new Motion();
  const here = store.state.car ? [store.state.car.longitude, store.state.car.latitude] : middle(info);

  const map = new engine.Map({
    container: host, style: style(light, labels, info, location.origin), center: here, zoom: FIRST_ZOOM, minZoom: 5, maxZoom: 19, maxPitch: 60,
    attributionControl: false, fadeDuration: calm.matches ? 0 : 150, renderWorldCopies: false, dragRotate: true, pitchWithRotate: true,
    localIdeographFontFamily: '"Noto Sans CJK JP", "Hiragino Sans", "Noto Sans JP", sans-serif', maxBounds: fence(info),
    locale: { "Map.Title": words().page.map },
  });
  map.on("load", () => { host.dataset.loaded = "true"; });
  map.on("error", ({ error }) => console.warn(error?.message ?? error));
  map.on("styleimagemissing", () => addImages(map, PALETTES[light]));
  const styled = () => { addImages(map, PALETTES[light]); draw(); };
  map.on("style.load", styled);
  map.touchZoomRotate.enableRotation();
  chrome.aim(up);
  chrome.credit(info.attribution ?? "");
  if (!info.installed) chrome.stays(words().map.noMap);
  else if (!info.tiles) chrome.say(words().map.oldMap);

  // the car
  const carFace = make("div", { class: "map-car", role: "img" });
  carFace.append(carElement());
  const carMarker = new engine.Marker({ element: carFace, draggable: true, rotationAlignment: "map", pitchAlignment: "map" });
  let dragged = false;
  carMarker.on("dragstart", () => { dragged = true; leave(); });
  carMarker.on("dragend", () => {
    dragged = false;
    const { lng, lat } = carMarker.getLngLat();
    send({ type: "place_car", latitude: lat, longitude: lng, language: language() });
  });

  function put() {
    const { at, heading: told } = motion.shown;
    if (dragged) return;
    heading = heading === null ? told : turn(heading, told, calm.matches ? 1 : 0.22);
    carMarker.setLngLat(at).setRotation(heading);
    if (!carMarker._map) carMarker.addTo(map);
    host.dataset.car = `${at[0].toFixed(6)},${at[1].toFixed(6)}`;
    if (mode === "follow") camera(at);
  }

  function camera(at) {
    const turned = up === "heading";
    map.jumpTo({ center: at, bearing: turned ? heading : 0, pitch: turned ? TILT : 0, zoom: followZoom(), padding: padding("follow") });
  }

  let wanted = FIRST_ZOOM;
  function followZoom() {
    const { car } = store.state;
    const rush = (car?.speed_kmh ?? 0) * Math.max(1, Math.sqrt(car?.factor ?? 1));
    const aim = Math.min(17, Math.max(12.8, 16 - Math.log2(1 + rush / 30))) + zoomBy;
    wanted += (aim - wanted) * (calm.matches ? 1 : 0.04);
    return wanted;
  }

  // One loop while anything moves; asleep otherwise.
  let looping = 0;
  const wake = () => { looping ||= requestAnimationFrame(frame); };
  function frame(now) {
    looping = 0;
    if (!motion.shown) return;
    if (mode === "follow") spare(now);
    const moving = motion.step(now);
    put();
    restOfRoute();
    const settling = Math.abs(((heading - motion.shown.heading + 540) % 360) - 180) > 0.5;
    if (moving || settling) wake();
    else if (coarse && !store.state.driving) sharpen(1);
  }

  // A machine that draws by its processor gets fewer pixels while it drives, rather than fewer pictures.
  let drawnAt = 0;
  let gap = 16;
  let coarse = false;
  function spare(now) {
    if (now - drawnAt < 1500) gap += (now - drawnAt - gap) * 0.1;
    drawnAt = now;
    if (!coarse && gap > SLOW_MS && store.state.driving) sharpen(COARSE);
  }

  function sharpen(share) {
    coarse = share < 1;
    gap = 16;
    map.setPixelRatio(devicePixelRatio * share);
  }

  // the ways
  let trimmed = -1;
  function restOfRoute() {
    const source = map.getSource("route");
    const track = motion.track;
    if (!source || !track) return;
    const along = motion.shown?.along ?? 0;
    const step = metresAPixel() * 12;
    if (trimmed >= 0 && Math.abs(along - trimmed) < Math.max(4, step)) return;
    trimmed = along;
    source.setData(collection([feature(track.rest(along))]));
  }

  const metresAPixel = () => (78271.5 * Math.cos((map.getCenter().lat * Math.PI) / 180)) / 2 ** map.getZoom();

  let chips = [];
  function drawRoutes(message) {
    if (!message) return;
    routes = message.routes ?? [];
    const chosen = routes.find((route) => route.chosen);
    if (chosen?.id !== shownRoute?.id) {
      shownRoute = chosen ?? null;
      motion.follow(chosen?.line);
      trimmed = -1;
      if (chosen) overview();
    }
    const put = (id, features) => map.getSource(id)?.setData(collection(features));
    put("other-routes", routes.filter((r) => !r.chosen && r.line.length > 1).map((r) => feature(fromFork(r.line, chosen.line), { id: r.id })));
    put("waypoints", (message.waypoints ?? []).map((at) => feature([at])));
    if (!chosen) put("route", []);
    else restOfRoute();
    for (const old of chips) old.remove();
    chips = [];
    if (!chosen) return;
    const others = routes.filter((route) => !route.chosen && route.line.length > 1);
    // One label above its point, the other below: ways that run close are still told apart.
    others.forEach((route, i) => chips.push(chip(route, chosen, i % 2 ? 26 : -26)));
    if (message.destination) {
      const flag = make("div", { class: "map-goal", role: "img", "aria-label": message.destination.name }, make("span", { class: "goal-name" }, message.destination.name));
      chips.push(new engine.Marker({ element: flag, anchor: "bottom" }).setLngLat(message.destination.at).addTo(map));
    }
  }

  function chip(route, chosen, aside) {
    const w = words().map;
    const minutes = Math.round((route.duration_s - chosen.duration_s) / 60);
    const more = minutes === 0 ? w.sameTime : fill(minutes > 0 ? w.later : w.sooner, { n: Math.abs(minutes) });
    const face = make("button", { type: "button", class: "map-chip", "data-route": route.id, "aria-label": fill(w.takeRoute, { name: route.name ?? "", more }), onclick: (event) => { event.stopPropagation(); choose(route.id); } },
      route.name && make("span", {}, route.name), make("b", {}, more));
    const rest = routes.filter((other) => other !== route).map((other) => other.line);
    return new engine.Marker({ element: face, offset: [0, aside] }).setLngLat(ownPoint(route.line, rest)).addTo(map);
  }

  const choose = (id) => send({ type: "choose_route", id, language: language() });

  // what happens, what is foreseen
  let signs = [];
  function drawTraffic(message) {
    for (const sign of signs) sign.remove();
    signs = [];
    if (!message) return;
    const w = words().map;
    map.getSource("traffic")?.setData(collection(message.events.map((e) => feature(e.line, { kind: e.kind }))));
    for (const event of message.events) {
      const road = (language() === "en" && event.road_en) || event.road || "";
      const delay = event.delay_s >= 60 ? fill(w.delay, { n: Math.round(event.delay_s / 60) }) : "";
      const text = [w.kinds[event.kind] ?? event.kind, road, delay].filter(Boolean).join(" · ");
      const face = make("button", { type: "button", class: "map-sign", "data-kind": event.kind, "aria-label": text, onclick: (e) => { e.stopPropagation(); chrome.say(text); } }, signElement(event.kind));
      if (event.delay_s >= 60) face.append(make("b", {}, fill(w.plus, { n: Math.round(event.delay_s / 60) })));
      signs.push(new engine.Marker({ element: face }).setLngLat(event.line[event.line.length >> 1]).addTo(map));
    }
  }

  let guess = null;
  function drawPrediction(message) {
    guess?.remove();
    guess = null;
    const line = message?.p > 0 ? message.line : [];
    map.getSource("predicted")?.setData(collection(line.length > 1 ? [feature(line)] : []));
    if (line.length < 2) return;
    const face = make("div", { class: "map-guess", role: "img", "aria-label": `${message.name} ${Math.round(message.p * 100)}%` }, make("span", {}, message.name), make("b", {}, `${Math.round(message.p * 100)}%`));
    guess = new engine.Marker({ element: face, anchor: "bottom" }).setLngLat(message.at).addTo(map);
  }

  let pins = [];
  let pinned = "";
  function drawResults(state) {
    const found = results(state);
    const key = found.map((r) => `${r.id}:${r.name}`).join("|");
    if (key === pinned) return;
    const before = pinned.split("|").length;
    pinned = key;
    for (const pin of pins) pin.remove();
    const w = words().map;
    pins = found.map((r) => {
      const text = spoken(w, r.number, found.length);
      const face = make("button", { type: "button", class: "map-pin", "data-number": r.number, "aria-label": `${r.number}. ${r.name}: ${text}`, onclick: (event) => { event.stopPropagation(); send({ type: "say", text }); } },
        make("b", {}, String(r.number)), make("span", {}, r.name));
      return new engine.Marker({ element: face, anchor: "bottom" }).setLngLat(r.at).addTo(map);
    });
    if (found.length) frameAll([...found.map((r) => r.at), ...(motion.shown ? [motion.shown.at] : [])]);
    else if (before && mode === "overview" && !shownRoute) follow();
  }

  // where it looks
  // What the head unit covers is no part of the picture.
  function padding(kind) {
    const room = host.getBoundingClientRect();
    const unit = document.getElementById("unit")?.getBoundingClientRect();
    const left = unit && unit.left - room.left < room.width / 3 && unit.right < room.left + room.width * 0.7 && unit.top < room.bottom - 60 && unit.height > room.height / 2 ? Math.max(0, unit.right - room.left) : 0;
    const low = unit && unit.top > room.top + 60 && unit.top < room.bottom ? room.bottom - unit.top : 0;
    if (kind === "follow") return { left, right: 0, top: up === "heading" ? room.height * 0.34 : 0, bottom: low };
    // Room for the labels that stand on the outermost points.
    const side = Math.min(120, room.width * 0.12);
    return { left: left + side, right: side, top: Math.min(150, room.height * 0.22), bottom: low + (room.width <= 760 ? 75 : Math.min(90, room.height * 0.14)) };
  }

  function frameAll(points) {
    mode = "overview";
    since = performance.now();
    chrome.following(false);
    framed = true;
    const room = padding("all");
    const seen = fit(points, host.clientWidth - room.left - room.right, host.clientHeight - room.top - room.bottom, 15.5);
    map.easeTo({ ...seen, pitch: 0, bearing: 0, padding: room, duration: calm.matches ? 0 : 900 });
  }

  function overview() {
    const points = [...routes.flatMap((r) => r.line), ...results(store.state).map((r) => r.at), ...(motion.shown ? [motion.shown.at] : [])];
    if (points.length > 1) frameAll(points);
    else follow();
  }

  function follow() {
    mode = "follow";
    zoomBy = 0;
    chrome.following(true);
    if (!motion.shown) return;
    heading ??= motion.shown.heading;
    wanted = followZoomNow();
    const turned = up === "heading";
    if (calm.matches || !framed) return wake();
    // Eased there first; the loop takes over when it has arrived.
    mode = "easing";
    map.easeTo({ center: motion.shown.at, bearing: turned ? heading : 0, pitch: turned ? TILT : 0, zoom: wanted, padding: padding("follow"), duration: 700 });
    map.once("moveend", () => {
      if (mode === "easing") mode = "follow";
      wake();
    });
  }

  function followZoomNow() {
    for (let i = 0; i < 200; i += 1) followZoom();
    return wanted;
  }

  function leave() {
    mode = "free";
    since = performance.now();
    framed = true;
    chrome.following(false);
  }

  map.on("movestart", (event) => event.originalEvent && leave());
  map.on("move", (event) => { if (event.originalEvent) since = performance.now(); });
  map.on("rotate", () => chrome.compass(map.getBearing()));
  map.on("click", (event) => {
    const way = map.queryRenderedFeatures(box(event.point, 10), { layers: ["other-routes"] })[0];
    if (way) {
      choose(way.properties.id);
      return;
    }
    const menuOpen = !document.querySelector(".map-menu").hidden;
    chrome.close();
    if (!menuOpen) chrome.openMenu(event.point.x, event.point.y, [event.lngLat.lng, event.lngLat.lat]);
  });
  map.on("contextmenu", (event) => chrome.openMenu(event.point.x, event.point.y, [event.lngLat.lng, event.lngLat.lat]));
  for (const pointer of ["mouseenter", "mouseleave"]) map.on(pointer, "other-routes", () => { map.getCanvas().style.setProperty("cursor", pointer === "mouseenter" ? "pointer" : ""); });

  setInterval(() => {
    const idle = performance.now() - since;
    const driving = store.state.driving;
    if (driving && ((mode === "free" && idle > LOOK_BACK_MS) || (mode === "overview" && idle > OVERVIEW_MS))) follow();
  }, 1000);

  // what comes
  store.on("car", (car) => {
    motion.push(car, performance.now());
    if (!framed && mode === "follow" && !looping) wanted = followZoomNow();
    wake();
  });
  store.on("route", drawRoutes);
  store.on("traffic", drawTraffic);
  store.on("prediction", drawPrediction);
  store.subscribe((state) => {
    set(carFace, { "aria-label": words().map.car });
    set(map.getCanvas(), { "aria-label": words().page.map });
    if (state.light !== light || state.shown !== labels) {
      light = state.light;
      labels = state.shown;
      addImages(map, PALETTES[light]);
      restyle(map, style(light, labels, info, location.origin));
      host.dataset.palette = light;
      drawRoutes(state.route);
      drawTraffic(state.traffic);
      pinned = "";
    }
    drawResults(state);
  });
  host.dataset.palette = light;

  function draw() {
    const { state } = store;
    if (state.car) motion.push(state.car, performance.now());
    drawRoutes(state.route);
    drawTraffic(state.traffic);
    drawPrediction(state.prediction);
    wake();
  }

  chrome.following(true);
  new ResizeObserver(() => { map.resize(); wake(); }).observe(host);

  return {
    kind: "gl",
    map,
    follow,
    overview,
    zoom(by) {
      if (mode !== "follow") {
        map.zoomTo(map.getZoom() + by, { duration: calm.matches ? 0 : 250 });
        return;
      }
      zoomBy = Math.max(-6, Math.min(3, zoomBy + by));
      wanted = followZoomNow();
      wake();
    },
    turnUp() {
      up = up === "heading" ? "north" : "heading";
      localStorage.setItem("map-up", up);
      chrome.aim(up);
      if (mode === "free" || mode === "overview") map.easeTo({ bearing: up === "heading" && heading !== null ? heading : 0, pitch: up === "heading" ? TILT : 0, duration: calm.matches ? 0 : 300 });
      else wake();
    },
    menuAtMiddle() {
      const { lng, lat } = map.getCenter();
      const { x, y } = map.project([lng, lat]);
      chrome.openMenu(x, y, [lng, lat]);
    },
    focus: () => map.getCanvas().focus(),
    reload(changed) {
      info = changed;
      chrome.credit(info.attribution ?? "");
      map.setMaxBounds(fence(info));
      map.setStyle(style(light, labels, info, location.origin), { diff: false });
    },
  };
}

// A way without what it has in common with the set one: the car leaves no second trace behind it.
function fromFork(line, chosen) {
  const known = new Set(chosen.map(String));
  let fork = 1;
  while (fork < line.length - 1 && known.has(String(line[fork]))) fork += 1;
  return line.slice(fork - 1);
}

const box = ({ x, y }, r) => [[x - r, y - r], [x + r, y + r]];
const middle = ({ bounds: b }) => (b ? [(b[0] + b[2]) / 2, (b[1] + b[3]) / 2] : [139.7454, 35.6586]);
// A map has an end: beyond what is drawn nobody gets lost.
const fence = ({ bounds: b }) => (b ? [[b[0] - 1, b[1] - 0.8], [b[2] + 1, b[3] + 0.8]] : null);
