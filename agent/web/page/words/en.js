// English.
export default {
  page: { title: "Concierge", panel: "Tester", map: "Map" },

  // ── the head unit ────────────────────────────────────────────────────────────────────────────────────────────────
  unit: {
    lang: "en", name: "Head unit", views: "Views", talk: "Conversation", replies: "Suggested replies", alerts: "Notices", trip: "Destination",
    hello: "What can I do for you?", examples: ["find parking near here", "Italian in Shibuya", "I'm a bit cold"], send: "Send", say: "Write to the agent", placeholder: "find parking near here",
    connecting: "Connecting…", lost: "Connection lost, trying again…",
    tabs: { talk: "Talk", climate: "Climate", audio: "Audio", notices: "Notices", settings: "Settings" },
    hours: " h", minutes: " min", arrival: "ETA {time}",
    no_contract: "No contract", no_connection: "Offline", lamp: "Warning lamp", fuel_low: "Low fuel", door_open: "Door open", tyre_low: "Tyre pressure", screen_on: "Screen on",

    phases: {
      off: "Press the button to talk", starting: "Getting the voice ready…", ready: "Say “{phrase}”", ready_button: "Press the button and speak",
      listening: "Listening", thinking: "Working on it", speaking: "Speaking", operator: "The operator is listening",
    },
    orb: {
      off: "Turn the voice on and talk", starting: "The voice is getting ready", ready: "Talk", listening: "Finish talking", thinking: "Working; talk again", speaking: "Stop and talk", operator: "Talk to the operator", offline: "Not connected",
    },
    problems: {
      denied: "The microphone is not allowed. You can type.", no_device: "No microphone was found. You can type.", busy: "Something else is using the microphone. You can type.",
      unplugged: "The microphone was unplugged. You can type.", insecure: "The microphone needs localhost or https. You can type.",
      no_model: "No speech model is installed yet. You can type.", too_many: "Other pages are using the voice. You can type.", failed: "The voice could not be started. You can type.",
    },

    back: "Back to the agent", give_up: "Cancel the call", accept: "Take it", refuse: "Leave it", close: "Close",
    with_operator: "Talking to an operator", calling: "Calling the Owner's Desk",
    pushed: { destination: "Destination from the operator", place: "Place from the operator", phone: "Number from the operator", notice: "Notice from the operator", news: "News from the operator", weather: "Weather from the operator" },
    no_notices: "No notices.",
    answers: {
      yes: { label: "Yes", say: "yes" }, no: { label: "No", say: "no" }, detail: { label: "Details", say: "tell me more" }, later: { label: "Later", say: "later" },
      enough: { label: "Enough", say: "enough of that" }, other_way: { label: "Other way", say: "another route" }, go_there: { label: "Go there", say: "take me there" },
    },

    pick: "number {n}", news_more: "tell me more about number {n}", demo: "demo", all_day: "24 h", open_until: "until {time}", closed: "Closed",
    parking_free: "free", parking_paid: "paid", parking_hourly: "{fee}/h", vacancy: { vacant: "spaces", crowded: "busy", full: "full" },
    price: { low: "inexpensive", middle: "mid-range", high: "expensive" }, chance: "☂ {n}%", issued: "issued {time}", ahead: "in {distance}", via: "via {road}", learnt: "What I remember",
    sky: { clear: "clear", partly_cloudy: "partly cloudy", cloudy: "cloudy", fog: "fog", drizzle: "drizzle", rain: "rain", heavy_rain: "heavy rain", sleet: "sleet", snow: "snow", heavy_snow: "heavy snow", thunder: "thunderstorms" },
    traffic: { jam: "Jam", accident: "Accident", closure: "Closed", restriction: "Restriction", roadworks: "Roadworks" },

    climate: {
      zones: { driver: "Driver", passenger: "Passenger", rear_driver: "Rear, driver's side", rear_passenger: "Rear, passenger's side" }, of: "{what}, {zone}",
      temperature: "Temperature", fan: "Fan", seat: "Seat", heat: "Heat", cool: "Vent", seat_off: "Seat off", less: "lower", more: "higher", off: "Off",
      power: "Power", auto: "Auto", ac: "A/C", recirculation: "Recirculate", defrost_front: "Front defrost", defrost_rear: "Rear defrost", wheel: "Wheel heater", stages: ["Off", "Low", "Medium", "High"],
    },
    audio: {
      previous: "Previous", next: "Next", play: "Play", pause: "Pause", mute: "Mute", volume: "Volume", quieter: "Quieter", louder: "Louder", level: "volume {n}", source: "Source",
      sources: { FM: "FM", AM: "AM", BLUETOOTH: "Bluetooth", USB: "USB", INTERNET: "Streaming", DAB: "DAB", CD: "CD", TV: "TV" },
    },
    settings: {
      headings: { car: "Car", voice: "Voice and screen", driver: "Driver", plus: "Agent+", learnt: "What it remembers", privacy: "Privacy" },
      language: "Language", microphone: "Microphone", look: "Colours", looks: { auto: "Auto", day: "Day", night: "Night" }, when_stopped: "Other settings can be changed while the car stands.",
      wake_word: "Wake word", keep: "Set", usual: "Back to “{phrase}”", guest: "Guest", guest_learns_nothing: "Nothing of a guest's drive is kept.",
      learns: "Learn from my drives", often: "How often", frequencies: { off: "Never", low: "Rarely", normal: "Normal", high: "Often" },
      erase: "Erase", really: "Really erase", nothing_learnt: "Nothing learnt yet.", positions_kept: "The course of a drive is kept for {n} days.",
      recorded: "{count} recordings ({seconds} s).", recorded_none: "Nothing recorded yet.", recordings_off: "Your voice is not recorded.",
      erase_recordings: "Erase recordings", erase_all: "Reset Agent+", forget: "Erase this conversation",
    },
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
