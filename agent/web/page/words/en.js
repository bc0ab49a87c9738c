// English.
export default {
  page: { title: "Concierge", panel: "Tester", map: "Map" },

  // ── the head unit ────────────────────────────────────────────────────────────────────────────────────────────────
  unit: {
    lang: "en", name: "Head unit", talk: "Conversation", send: "Send", placeholder: "find parking near here", language: "Language",
    connecting: "Connecting…", lost: "Connection lost, trying again…",
    back: "Back to the agent", accept: "Take it", refuse: "Leave it",
  },

  // ── the map ──────────────────────────────────────────────────────────────────────────────────────────────────────
  map: {
    controls: "Map controls", in: "Zoom in", out: "Zoom out", compass: "Heading up or north up", overview: "Show everything", follow: "Follow the car",
    speeds: "Speed of the drive", stand: "Stop", times: "{factor}×", drive: "Drive at {factor} times real time",
    km: "{n} km", m: "{n} m", car: "Your car. It can be dragged.",
    goHere: "Go here", carHere: "Put the car here",
    nth: ["the first one", "the second one", "the third one", "the fourth one", "the fifth one", "the sixth one", "the seventh one", "the eighth one", "the ninth one", "the tenth one"], takeIt: "that one",
    sameTime: "about the same", later: "+{n} min", sooner: "−{n} min", takeRoute: "Take {name} {more}", delay: "{n} min delay", plus: "+{n} min",
    kinds: { accident: "Accident", closure: "Closed", restriction: "Restriction", roadworks: "Roadworks", jam: "Traffic jam" },
    noMap: "No map is installed.", oldMap: "This is an older map: roads alone are drawn.", flat: "This screen can't draw the full map, so here is a plain one.",
  },

  // ── the tester's panel ───────────────────────────────────────────────────────────────────────────────────────────
  panel: { events: "Events", drive: "Drive" },
};
