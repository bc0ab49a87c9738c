// The voice in the browser: the microphone to the gateway, the answer from it, and what stands in the way, said in words.
import { Microphone } from "./microphone.js";
import { Player } from "./player.js";

const KEPT = "voice";
const EARLY_FRAMES = 240; // 4.8 s: what is said while the engines are still being loaded
const FRAMES_A_MESSAGE = 25;
const CATCH_UP_MS = 60;

// voice: start(), stop(), restart(), press(source), release(), onLevel. State goes into the store as `state.voice`.
export function createVoice({ store, send, sendSound, language }) {
  const player = new Player();
  let microphone = null;
  let pressWanted = "";
  let releaseWanted = false;
  let starting = null;
  let early = [];
  const voice = { start, stop, restart, press, release, onLevel: () => {} };

  const change = (what) => store.dispatch({ type: "@voice", change: what });

  async function start() {
    localStorage.setItem(KEPT, "on");
    change({ wanted: true, problem: "" });
    starting ??= open().finally(() => (starting = null));
    await starting;
  }

  async function open() {
    try {
      await player.open();
      microphone ??= await Microphone.open({
        frame: heard,
        level: (level) => voice.onLevel(level),
        lost: () => fail("unplugged"),
      });
    } catch (error) {
      fail(problemOf(error));
      return;
    }
    if (store.state.voice.wanted) send({ type: "voice", on: true, language: language() });
    else close();
  }

  // Whoever presses the button speaks at once: that is kept until the voice is on, and then sent faster than it was said.
  function heard(buffer) {
    if (store.state.voice.on && !early.length) sendSound(buffer);
    else if ((store.state.voice.on || pressWanted) && early.length < EARLY_FRAMES) early.push(buffer);
  }

  function catchUp() {
    if (!store.state.voice.on) return;
    if (early.length) {
      sendSound(new Blob(early.splice(0, FRAMES_A_MESSAGE)));
      setTimeout(catchUp, CATCH_UP_MS);
    } else if (releaseWanted) release();
  }

  function stop() {
    localStorage.setItem(KEPT, "off");
    pressWanted = "";
    change({ wanted: false, problem: "" });
    send({ type: "voice", on: false });
    close();
  }

  function restart() {
    if (!store.state.voice.on) return;
    send({ type: "voice", on: false });
    send({ type: "voice", on: true, language: language() });
  }

  function close() {
    early = [];
    microphone?.close();
    microphone = null;
    player.flush();
    voice.onLevel(0);
  }

  // Text goes on; the reason stands where the talk button is.
  function fail(problem) {
    pressWanted = "";
    change({ wanted: false, on: false, problem });
    send({ type: "voice", on: false });
    close();
  }

  function press(source) {
    // A gesture: from here on the page may sound.
    player.resume();
    releaseWanted = false;
    if (store.state.voice.on) send({ type: "press", source });
    else {
      pressWanted = source;
      start();
    }
  }

  function release() {
    releaseWanted = !store.state.voice.on || early.length > 0;
    if (!releaseWanted) send({ type: "release" });
  }

  store.onSound((buffer) => player.play(buffer));
  let refusal = "";
  store.on("refused", ({ reason }) => (refusal = reason));
  store.on("voice_on", () => {
    refusal = "";
    if (pressWanted) send({ type: "press", source: pressWanted });
    pressWanted = "";
    catchUp();
  });
  store.on("voice_off", () => {
    player.flush();
    if (store.state.voice.wanted && !store.state.voice.on && refusal) fail(/too many/i.test(refusal) ? "too_many" : "no_model");
    refusal = "";
  });
  // The server stops sending at once; what is buffered here must not sound on.
  store.on("held", () => player.hold());
  store.on("resumed", () => player.goOn());
  store.on("interrupted", () => player.flush());
  store.on("@line", ({ line }) => {
    if (line === "lost") player.flush();
    if (line === "open" && store.state.voice.wanted) start();
  });
  store.on("@language", restart);
  for (const type of ["pointerdown", "keydown"]) document.addEventListener(type, () => player.resume(), { once: true, capture: true });

  // Where the microphone was on and is allowed, it is on again.
  if (localStorage.getItem(KEPT) === "on") {
    const allowed = navigator.permissions?.query({ name: "microphone" }).then((permission) => permission.state === "granted", () => false);
    allowed?.then((yes) => yes && start());
  }
  return voice;
}

function problemOf(error) {
  if (error?.message === "insecure") return "insecure";
  return { NotAllowedError: "denied", SecurityError: "denied", NotFoundError: "no_device", OverconstrainedError: "no_device", NotReadableError: "busy", AbortError: "busy" }[error?.name] ?? "failed";
}
