// The map: the car, the road before it, what was found. Loads the engine after the first paint; without WebGL a plain drawing.
import { make } from "../dom.js";
import { addChrome } from "./chrome.js";

const VENDOR = "/page/vendor/maplibre-gl/";

export async function mountMap(element, room) {
  const { store, send } = room;
  const host = element.appendChild(make("div", { class: "map-host" }));
  const chrome = addChrome(element, room);
  const watch = () => send({ type: "watch", hz: 10 });
  store.on("welcome", watch);
  if (store.state.line === "open") watch();

  let info = await about();
  const start = async () => {
    if (webgl()) {
      try {
        const [engine] = await Promise.all([import(`${VENDOR}maplibre-gl.mjs`), stylesheet(`${VENDOR}maplibre-gl.css`)]);
        const { openView } = await import("./view.js");
        return openView(engine, host, info, { ...room, chrome });
      } catch (error) {
        console.warn("the map's engine cannot be used", error);
        host.replaceChildren();
      }
    }
    const { openFlat } = await import("./flat.js");
    return openFlat(host, info, { ...room, chrome });
  };
  const view = await start();
  chrome.use(view);
  element.view = { ...view, store };
  element.dataset.map = view.kind;
  element.dataset.ready = "true";

  // The gateway may have come up again with another map.
  store.on("@line", async ({ line }) => {
    if (line !== "open") return;
    const now = await about();
    if (now.edition !== info.edition) {
      info = now;
      view.reload(info);
    }
  });
  return view;
}

async function about() {
  try {
    const info = await (await fetch("/map/info")).json();
    return { ...info, query: `edition=${encodeURIComponent(info.edition ?? "")}` };
  } catch {
    return { installed: false, query: "" };
  }
}

function webgl() {
  if (new URLSearchParams(location.search).has("flat")) return false;
  try {
    return Boolean(document.createElement("canvas").getContext("webgl2"));
  } catch {
    return false;
  }
}

const stylesheet = (href) =>
  new Promise((resolve) => {
    document.head.append(make("link", { rel: "stylesheet", href, onload: resolve, onerror: resolve }));
  });
