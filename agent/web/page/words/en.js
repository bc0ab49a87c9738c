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
  map: {},

  // ── the tester's panel ───────────────────────────────────────────────────────────────────────────────────────────
  panel: { events: "Events", drive: "Drive" },
};
