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
  panel: {
    name: "Tester's panel", tabs: { chat: "Chat", world: "World", events: "Events" },
    keys: "Alt+1–3 switch · Alt+0 fold away · Alt+R record",
    lines: { open: "Connected ({session})", connecting: "Connecting…", lost: "Connection lost; again in {seconds} s" },
    retry: "Try now",
    chat: "This conversation", chatPlaceholder: "talk in text (also while driving)", say: "Send", forget: "Forget it",
    lastTurn: "Last turn", noTurn: "None yet", turnTook: "To the answer", voiceTook: "From last word to first sound",
    stages: {
      cleaning: "cleaning", safety: "safety", waiting: "waiting", understanding: "understanding", policy: "policy", action: "action", backend: "backend", store: "store", other: "other",
      end_of_speech: "end of speech", recognition: "recognition", dialogue: "dialogue", first_audio: "first sound",
    },
    events: "Events", filter: "Kinds shown", clear: "Clear", eventCount: "{shown} shown of {all}",
    record: {
      start: "Record", stop: "Stop recording", name: "name of the recording", count: "{turns} said, {controls} arranged", download: "Save again",
      about: "Begins a new conversation and records it as a scenario file. The words stay in this page", gone: "The recording was lost (a restart).",
    },
    world: {
      groups: { line: "Line and contract", time: "Time", road: "Road", weather: "Weather", car: "Car", parks: "Car parks" },
      clock: "the car's clock", setTime: "Time", set: "Set", hour: "+1 hour", day: "+1 day", real: "Real time", rate: "Pace", pass: "5 minutes on",
      rates: { 0: "stopped", 1: "real time", 10: "10×", 60: "60×" },
      where: "Where", everywhere: "everywhere", weather: "Weather", here: "{prefecture} now: {sky}, {degrees} °C",
      scenarios: { "": "natural", sunny: "sunny", rain: "rain", snow: "snow", typhoon: "typhoon" },
      skies: { clear: "clear", partly: "partly cloudy", cloudy: "cloudy", rain: "rain", snow: "snow", thunder: "thunderstorm" },
      ahead: "km ahead", kinds: { jam: "Jam", accident: "Accident", closure: "Closure", restriction: "Restriction", roadworks: "Roadworks" },
      delay: "+{minutes} min", clear: "Clear", clearAll: "Clear all", noRoute: "Set a destination to put something on the route.", routeAhead: "{km} km of route left",
      vacancies: { "": "natural", vacant: "free spaces", crowded: "nearly full", full: "full" }, noParks: "Search for parking, and it is listed here.",
      networkLost: "no connection", contractCancelled: "no contract", newsOn: "news published", equipment: "Equipment",
      equipments: { navi: "with navigation", display_audio: "Display Audio" },
      lamps: "Warning lamps", doors: "Open", seats: "Passengers", tyres: "Losing air", fuel: "Fuel",
      resetAll: "Everything back", lineLost: "The connection is lost; nothing was sent.",
      refusals: {
        bad_value: "That value is not possible.", unknown: "There is no such control.", no_route: "There is no guided route that far ahead.",
        not_there: "It is gone already.", too_many: "No more than these.", unavailable: "Not ready; please wait a moment.",
      },
    },
  },
};
