// What the page knows: state = reduce(state, message). Messages come from the gateway (docs/protocol.md); those whose type begins
// with "@" are the page's own.
const TALK_KEPT = 200;
const NOTICES_KEPT = 50;
const LATEST = new Set([
  "car", "route", "traffic", "prediction", "world_state", "agentplus", "recordings", "understood", "latency",
]);
const MOVING_KMH = 1;

export const initial = Object.freeze({
  line: "connecting", // connecting, open, lost: the page's line to the gateway
  session: "",
  server: "", // which gateway process speaks
  owner: "agent", // who holds the conversation's line: agent, operator
  language: "auto", // as chosen
  shown: "ja", // of the page
  light: "night",
  driving: false,
  centre: "ok", // ok, no_contract, no_connection: the car's line to the centre
  working: 0, // turns that have not ended
  talk: [], // { key, kind, text, language, at, turn, context }
  hearing: "", // what has been heard of an utterance so far
  speaking: null, // { text, number, of }: the clause that sounds
  replies: [],
  cards: [],
  notices: [], // newest first
  handoff: null,
  push: null, // what the operator sent and nobody has answered
  voice: { on: false, wanted: false, state: "idle", problem: "" },
  signals: {}, // path → value
  specs: {}, // path → { unit, minimum, maximum, step, allowed }
  refusal: null, // { path, text }: what the car did not take
});

const keyOf = (m) => [m.type, m.id ?? m.turn ?? m.kind ?? "", m.state ?? "", m.at ?? "", m.type === "notice" ? m.text : ""].join(":");

function talked(state, message, kind, text = message.text) {
  // A gateway that was started anew counts its turns anew.
  const key = `${state.server}:${keyOf(message)}`;
  if (!text || state.talk.some((line) => line.key === key)) return state.talk;
  const { language, at = "", turn = 0, context = "" } = message;
  return [...state.talk, { key, kind, text, language, at, turn, context }].slice(-TALK_KEPT);
}

const light = (state) =>
  state.signals["Vehicle.Private.HMI.IsDayNightAuto"] === false
    ? state.signals["Vehicle.Cabin.Infotainment.HMI.DayNightMode"] === "DAY" ? "day" : "night"
    : (state.car?.light ?? "night");

const shownLanguage = (language) =>
  language === "auto" ? (globalThis.navigator?.language?.startsWith("en") ? "en" : "ja") : language;

// Turns that end without a `spoke` (the line was lost on the way) must not leave the page waiting.
const ended = (state) => Math.max(0, state.working - 1);

const reducers = {
  "@line": (state, { line }) => ({ line, working: 0, hearing: "", speaking: null, ...(line === "lost" ? { voice: { ...state.voice, on: false, state: "idle" } } : {}) }),
  "@language": (_, { language }) => ({ language, shown: shownLanguage(language) }),
  "@voice": (state, { change }) => ({ voice: { ...state.voice, ...change } }),
  "@notice_seen": (state, { key }) => ({ notices: state.notices.map((n) => (n.key === key ? { ...n, open: false } : n)) }),

  welcome: (_, { session, owner, server }) => ({ session, owner, server }),
  reset: () => ({ talk: [], replies: [], cards: [], working: 0 }),
  shown: replay,
  handoff_so_far: (state, { events }) => minus(events.filter((e) => !["heard", "spoke"].includes(e.type)).reduce(reduce, state), state),

  heard: (state, m) => ({ talk: talked(state, m, "driver"), working: state.working + 1, hearing: "", replies: [] }),
  spoke: (state, m) => ({
    talk: talked(state, m, "agent"), working: ended(state), replies: m.quick_replies ?? [], cards: m.cards ?? [], speaking: null,
  }),
  relayed: (state) => ({ working: ended(state), replies: [], cards: [] }),
  prompt: (state, m) => ({ talk: talked(state, { ...m, at: String(m.time) }, "agent") }),
  notice: (state, m) => ({
    talk: talked(state, m, "notice"),
    notices: state.notices.some((n) => n.key === keyOf(m)) ? state.notices : [{ ...m, key: keyOf(m), open: true }, ...state.notices].slice(0, NOTICES_KEPT),
  }),

  handoff: (state, m) => ({
    talk: talked(state, m, "line"), owner: m.owner, handoff: m, push: m.state !== "accepted" && m.owner === "agent" ? null : state.push,
  }),
  operator: (state, m) => ({ talk: talked(state, m, "person", m.author ? `${m.author}: ${m.text}` : m.text) }),
  push: (state, m) => ({
    talk: talked(state, m, "line"),
    push: m.state === "sent" ? m : m.id === state.push?.id ? null : state.push,
  }),

  partial: (_, { text }) => ({ hearing: text }),
  recognised: (_, m) => ({ hearing: m.taken === "request" ? m.text : "" }),
  speaking: (_, { text, number, of }) => ({ speaking: { text, number, of } }),
  interrupted: () => ({ speaking: null }),
  voice: (state, m) => ({ voice: { ...state.voice, state: m.state }, ...(m.state === "idle" ? { hearing: "", speaking: null } : {}) }),
  voice_on: (state) => ({ voice: { ...state.voice, on: true, state: "idle", problem: "" } }),
  voice_off: (state) => ({ voice: { ...state.voice, on: false, state: "idle" }, hearing: "", speaking: null }),

  "@unit": (_, { wakes, wake_word }) => ({ wakes, wake_word }),
  signals: (state, { values, specs, centre }) => ({ signals: values, specs, centre }),
  signal: (state, { values, centre }) => ({ signals: { ...state.signals, ...values }, centre }),
  touched: (state, m) => ({
    signals: m.value === undefined ? state.signals : { ...state.signals, [m.path]: m.value }, refusal: m.ok ? null : { path: m.path, text: m.text },
  }),
};

// What was said before this page came: it goes before what came meanwhile.
function replay(state, { events }) {
  const before = { ...state, talk: [], notices: [], working: 0 };
  const after = events.reduce(reduce, before);
  const known = new Set(after.talk.map((line) => line.key));
  const talk = [...after.talk, ...state.talk.filter((line) => !known.has(line.key))].slice(-TALK_KEPT);
  const seen = new Set(state.notices.filter((n) => !n.open).map((n) => n.key));
  const notices = (after.notices.length ? after.notices : state.notices).map((n) => (seen.has(n.key) || n.open === false ? { ...n, open: false } : n));
  // Who holds the line now, `welcome` has said.
  return { talk, notices, replies: after.replies, cards: after.cards, working: state.working, push: state.push ?? after.push, handoff: after.handoff, owner: state.owner };
}

// Only what belongs to the handoff is taken over; a conversation that goes on keeps its own.
const minus = (after, before) => ({ talk: after.talk, handoff: after.handoff, push: after.push, owner: before.owner });

export function reduce(state, message) {
  const change = reducers[message.type]?.(state, message);
  const next = LATEST.has(message.type) ? { ...state, ...change, [message.type]: message } : change ? { ...state, ...change } : state;
  if (next === state) return state;
  const driving = (next.car?.speed_kmh ?? 0) >= MOVING_KMH;
  const now = light(next);
  return driving === next.driving && now === next.light ? next : { ...next, driving, light: now };
}

// `subscribe`: told of the state, at most once a frame. `on`: told of each message as it comes ("*": of all).
export function createStore(state = initial) {
  const subscribers = new Set();
  const listeners = new Map();
  const ears = new Set();
  let waiting = false;

  const tell = () => {
    waiting = false;
    for (const subscriber of subscribers) subscriber(state);
  };
  const later = () => {
    if (waiting) return;
    waiting = true;
    // A page in the background has no frames; its state goes on all the same.
    if (globalThis.document?.hidden || !globalThis.requestAnimationFrame) setTimeout(tell, 50);
    else requestAnimationFrame(tell);
  };
  const add = (set, item) => {
    set.add(item);
    return () => set.delete(item);
  };

  return {
    get state() {
      return state;
    },
    dispatch(message) {
      const before = state;
      state = reduce(state, message);
      for (const type of [message.type, "*"]) for (const listener of listeners.get(type) ?? []) listener(message, state);
      if (state !== before) later();
    },
    subscribe(subscriber) {
      later();
      return add(subscribers, subscriber);
    },
    on(type, listener) {
      if (!listeners.has(type)) listeners.set(type, new Set());
      return add(listeners.get(type), listener);
    },
    // Sound from the gateway goes past the state.
    sound(buffer) {
      for (const ear of ears) ear(buffer);
    },
    onSound: (ear) => add(ears, ear),
  };
}
