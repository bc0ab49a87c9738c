// The operators' page: who waits, what is known of them, the talk, and what can be sent to the car.
import { Api, newId } from "./api.js";
import { at, el, seconds } from "./dom.js";
import { lineView, packetView, pushView } from "./packet.js";
import { Sound } from "./sound.js";
import { words } from "./words.js";

const PUSH_FIELDS = ["name", "where", "phone", "more", "sky", "day", "high", "low", "chance", "source"];
const OPEN = ["requested", "queued", "accepted", "active"];

class Page {
  api = new Api();
  who = null;
  handoffs = new Map();
  seen = new Map();
  events = Promise.resolve();
  ended = [];
  shown = null;
  language = localStorage.getItem("desk-language") ?? "ja";
  sound = new Sound({
    changed: () => this.soundView(),
    mine: (level) => (at("mine-level").value = level),
    driver: (level) => (at("driver-level").value = level),
  });

  get w() {
    return words[this.language];
  }

  async start() {
    at("language").value = this.language;
    at("language").addEventListener("change", () => this.speak(at("language").value));
    at("login").addEventListener("submit", (event) => this.submit(event, () => this.login()));
    at("leave").addEventListener("click", () => this.leave());
    at("search").addEventListener("submit", (event) => this.submit(event, () => this.search()));
    at("overview").addEventListener("click", () => this.try(() => this.overview()));
    at("say").addEventListener("submit", (event) => this.submit(event, () => this.say()));
    at("push").addEventListener("submit", (event) => this.submit(event, () => this.push()));
    at("return").addEventListener("submit", (event) => this.submit(event, () => this.giveBack()));
    at("push-kind").addEventListener("change", () => this.pushFields());
    at("canned").addEventListener("change", () => this.canned());
    at("text").addEventListener("keydown", (event) => {
      // Enter ends the choice of kanji as well: that one does not send.
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) at("say").requestSubmit(), event.preventDefault();
    });
    this.talkKeys();
    setInterval(() => this.tick(), 1000);
    this.label();
    try {
      await this.enter(await this.api.me());
    } catch {
      at("login").hidden = false;
      at("name").focus();
    }
  }

  submit(event, work) {
    event.preventDefault();
    return this.try(work);
  }

  async try(work) {
    at("problem").textContent = "";
    try {
      await work();
    } catch (error) {
      if (error.status === 401) location.reload();
      at("problem").textContent = error.message;
    }
  }

  speak(language) {
    this.language = language;
    localStorage.setItem("desk-language", language);
    this.label();
    this.lists();
    if (this.shown) this.render();
    if (this.who) this.phrases();
  }

  label() {
    const w = this.w;
    document.documentElement.lang = this.language;
    const texts = { "name-label": w.name, "password-label": w.password, enter: w.enter, leave: w.leave, "queue-title": w.queue, "ended-title": w.ended, send: w.send, "push-send": w.push, "give-back": w.giveBack, overview: w.overview, "talk-button": w.talk, "mine-label": w.mineLevel, "driver-label": w.driverLevel };
    for (const [id, text] of Object.entries(texts)) at(id).textContent = text;
    const hints = { q: w.search, text: w.say, note: w.note, "push-where": w.pushWhere, "push-phone": w.pushPhone, "push-more": w.pushMore, "push-source": w.pushSource, "push-day": w.pushDay, "push-high": w.pushHigh, "push-low": w.pushLow, "push-chance": w.pushChance, "push-sky": w.pushSky };
    for (const [id, text] of Object.entries(hints)) {
      at(id).placeholder = text;
      at(id).title = text;
      at(id).setAttribute("aria-label", text);
    }
    const kind = at("push-kind").value;
    at("push-kind").replaceChildren(...Object.entries(w.kinds).map(([value, text]) => el("option", { value }, text)));
    at("push-kind").value = kind || "destination";
    const sky = at("push-sky").value;
    at("push-sky").replaceChildren(...Object.entries(w.skies).map(([value, text]) => el("option", { value }, text)));
    at("push-sky").value = sky || "clear";
    this.pushFields();
    this.soundView();
  }

  // ── coming and going ──

  async login() {
    try {
      await this.enter(await this.api.login(at("name").value, at("password").value));
    } catch (error) {
      at("login-problem").textContent = error.status === 429 ? this.w.wait : this.w.wrong;
    } finally {
      at("password").value = "";
    }
  }

  async enter(who) {
    this.who = who;
    at("who").textContent = `${who.name} (${who.role})`;
    at("overview").hidden = who.role !== "supervisor";
    at("login").hidden = true;
    at("desk").hidden = false;
    at("packet").replaceChildren(el("p", { cls: "soft" }, this.w.choose));
    const { handoffs, seq } = await this.api.queue();
    for (const handoff of handoffs) this.handoffs.set(handoff.id, handoff);
    this.ended = (await this.api.queue("returned,declined,no_answer,dropped,cancelled")).handoffs.slice(0, 20);
    this.lists();
    await this.phrases();
    this.source = this.api.events(seq, { event: (event) => this.event(event), state: (state) => this.connection(state) });
    const mine = handoffs.find((h) => h.operator === who.name);
    if (mine) await this.open(mine.id);
  }

  async leave() {
    this.source?.close();
    await this.api.logout().catch(() => {});
    location.reload();
  }

  connection(state) {
    at("connection").textContent = this.w[state] ?? "";
    if (state === "closed") setTimeout(() => location.reload(), 3000);
  }

  // ── what happens ──

  // One after the other, in the order they happened, whatever each waits for; `seen` is known at once.
  event(event) {
    this.seen.set(event.handoff, event.seq);
    this.events = this.events.then(() => this.happened(event)).catch((error) => (at("problem").textContent = error.message));
  }

  async happened(event) {
    if (event.type === "state") await this.moved(event);
    const known = this.handoffs.get(event.handoff);
    if (event.type === "operator" && known) Object.assign(known, { operator: event.data.operator ?? known.operator, joined: event.data.transferred ? null : (event.data.joined ?? known.joined) });
    // What was read from the desk after it happened holds it already.
    if (this.shown?.id === event.handoff && event.seq > this.shown.seq) this.change(event);
    this.followSound();
  }

  change({ type, data, seq }) {
    this.shown.seq = seq;
    if (type === "state") {
      Object.assign(this.shown, { state: data.state, operator: data.state === "queued" ? null : (data.operator ?? this.shown.operator) });
      this.render();
    } else if (type === "message") this.line(data);
    else if (type === "push") this.pushed(data);
    else if (type === "hold") this.shown.hold = data.on;
    else if (type === "operator") {
      if (data.operator) this.shown.operator = data.operator;
      if (data.transferred) this.shown.joined = null;
    } else if (type === "car") this.shown.away = !data.present;
    this.steps();
  }

  async moved({ handoff, data }) {
    if (data.state === "queued" || !this.handoffs.has(handoff)) {
      const { handoffs } = await this.api.queue();
      this.handoffs = new Map(handoffs.map((h) => [h.id, h]));
      if (data.state === "queued") document.title = `● Owner's Desk`;
    }
    const known = this.handoffs.get(handoff);
    if (known) Object.assign(known, { state: data.state, operator: data.operator ?? known.operator });
    if (!OPEN.includes(data.state)) {
      const gone = this.handoffs.get(handoff) ?? (this.shown?.id === handoff ? this.shown : null);
      if (gone && !this.ended.some((h) => h.id === handoff)) this.ended.unshift({ ...gone, state: data.state });
      this.handoffs.delete(handoff);
    }
    this.lists();
  }

  lists() {
    const rows = [...this.handoffs.values()].sort((a, b) => a.created_at.localeCompare(b.created_at));
    at("queue").replaceChildren(...(rows.length ? rows.map((h) => this.row(h)) : [el("li", { cls: "soft" }, this.w.empty)]));
    at("ended").replaceChildren(...this.ended.slice(0, 20).map((h) => this.row(h)));
    if (!rows.some((h) => h.state === "queued")) document.title = "Owner's Desk";
  }

  row(h) {
    const w = this.w;
    const waiting = h.state === "queued";
    return el("li", {}, el("button", { type: "button", cls: `row ${h.state}${this.shown?.id === h.id ? " chosen" : ""}`, click: () => this.try(() => this.open(h.id)), "data-id": h.id },
      el("b", {}, w.reasons[h.reason] ?? h.reason), h.test && el("span", { cls: "test" }, w.test), el("span", { cls: "tag" }, w.states[h.state]), h.calls > 1 && h.state === "queued" && el("span", { cls: "urgent" }, w.again),
      waiting && el("span", { cls: "wait", "data-since": h.queued_at ?? h.created_at }, seconds(h.waited_s)),
      el("span", { cls: "soft" }, h.summary[this.language]), h.operator && el("span", { cls: "soft" }, h.operator)));
  }

  tick() {
    for (const wait of document.querySelectorAll(".wait")) wait.textContent = seconds((Date.now() - new Date(wait.dataset.since)) / 1000);
  }

  // ── one handoff ──

  async open(id) {
    let whole;
    // Read again when something happened to it meanwhile: an old state would stay.
    do whole = await this.api.whole(id);
    while (whole.seq < (this.seen.get(id) ?? 0));
    this.shown = whole;
    this.render();
    this.lists();
  }

  render() {
    at("packet").replaceChildren(...packetView(this.shown, this.w, this.language, this.api, this.mine ? (place) => this.pick(place) : null));
    at("talk").replaceChildren(...this.shown.messages.map((m) => lineView(m, this.w)));
    at("talk").scrollTop = at("talk").scrollHeight;
    at("pushed").replaceChildren(...this.shown.pushes.map((p) => pushView(p, this.w)));
    this.steps();
  }

  get mine() {
    return this.shown?.state === "active" && this.shown.operator === this.who.name;
  }

  // A candidate goes into the form: sent only by the button there.
  pick(place) {
    at("push-kind").value = "destination";
    this.pushFields();
    at("push-name").value = place.name;
    at("push-where").value = `${place.latitude}, ${place.longitude}`;
    this.picked = place;
    at("push-send").focus();
  }

  steps() {
    const [h, w] = [this.shown, this.w];
    const button = (text, work, cls = "") => el("button", { type: "button", cls, click: () => this.try(work) }, text);
    const mine = h.operator === this.who.name;
    const active = h.state === "active";
    const boss = this.who.role === "supervisor";
    const steps = [
      h.state === "queued" && button(w.claim, () => this.claim(), "main"),
      (h.state === "queued" || (h.state === "accepted" && mine)) && button(w.decline, () => this.decline()),
      active && mine && button(h.hold ? w.unhold : w.hold, () => this.step("hold", { on: !h.hold })),
      active && boss && !mine && h.joined !== this.who.name && button(w.join, () => this.join()),
      ["accepted", "active"].includes(h.state) && boss && button(w.transfer, () => this.transfer()),
      h.away && el("span", { cls: "urgent" }, w.away),
    ].filter(Boolean);
    at("steps").replaceChildren(...steps);
    at("composer").hidden = !(active && (mine || h.joined === this.who.name));
    at("push").hidden = at("return").hidden = !mine;
    this.followSound();
  }

  // ── speaking ──

  // The sound stays with the talk that is held, whatever is looked at meanwhile; of several with the one that is shown.
  followSound() {
    const held = (h) => h?.state === "active" && [h.operator, h.joined].includes(this.who.name);
    const others = [...this.handoffs.values()].filter(held);
    const line = held(this.shown) ? this.shown : (others.find((h) => h.id === this.sound.handoff) ?? others[0]);
    this.sound.follow(line?.id ?? null, this.api.csrf);
  }

  // Pressed as long as it is held: with the mouse or a finger on the button, with space or enter when it has the focus, with F2
  // from anywhere.
  talkKeys() {
    const button = at("talk-button");
    const press = (event) => {
      event.preventDefault();
      if (!event.repeat && !at("composer").hidden) this.sound.press();
    };
    const release = () => this.sound.release();
    button.addEventListener("pointerdown", (event) => (button.setPointerCapture(event.pointerId), press(event)));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) button.addEventListener(end, release);
    button.addEventListener("contextmenu", (event) => event.preventDefault());
    button.addEventListener("keydown", (event) => [" ", "Enter"].includes(event.key) && press(event));
    button.addEventListener("keyup", (event) => [" ", "Enter"].includes(event.key) && release());
    addEventListener("keydown", (event) => event.key === "F2" && press(event));
    addEventListener("keyup", (event) => event.key === "F2" && release());
    // Whoever looks elsewhere does not speak.
    addEventListener("blur", release);
    for (const touched of ["pointerdown", "keydown"]) addEventListener(touched, () => this.sound.wake());
  }

  soundView() {
    const [{ on, open, car, talking, transcribed, problem, lost }, w] = [this.sound.state, this.w];
    at("talk-button").disabled = !open;
    at("talk-button").classList.toggle("talking", talking);
    at("talk-button").setAttribute("aria-pressed", String(talking));
    at("talk-button").textContent = talking ? w.talking : w.talk;
    const notes = [
      problem && w.soundProblems[problem],
      on && !car && w.noCarSound,
      on && !transcribed && w.untranscribed,
      lost > 0 && `${w.soundLost}: ${(lost / 50).toFixed(1)} s`,
    ];
    at("sound-note").textContent = notes.filter(Boolean).join(" ");
  }

  step(name, body) {
    return this.api.step(this.shown.id, name, body);
  }

  async claim() {
    try {
      await this.step("claim", {});
    } catch (error) {
      if (error.status !== 409) throw error;
      at("problem").textContent = this.w.taken;
    }
    await this.open(this.shown.id);
    at("text").focus();
  }

  async decline() {
    const reason = prompt(this.w.declineReason);
    if (reason !== null) await this.step("decline", { reason });
  }

  async join() {
    await this.step("join", {});
    await this.open(this.shown.id);
  }

  async transfer() {
    const { users } = await this.api.get("/api/v1/users");
    const to = prompt(`${this.w.transfer}: ${users.map((u) => u.name).join(", ")}`);
    if (to) await this.step("transfer", { to });
  }

  async say() {
    const text = at("text").value.trim();
    if (!text) return;
    await this.step("messages", { id: newId(), text, language: this.shown.packet.driver.language });
    at("text").value = "";
  }

  line(message) {
    if (this.shown.messages.some((m) => m.id === message.id)) return;
    this.shown.messages.push(message);
    at("talk").append(lineView(message, this.w));
    at("talk").scrollTop = at("talk").scrollHeight;
  }

  async push() {
    const kind = at("push-kind").value;
    const value = (id) => at(`push-${id}`).value.trim();
    const number = (id) => (value(id) === "" ? undefined : Number(value(id)));
    const [name, phone] = [value("name"), value("phone")];
    const [latitude, longitude] = value("where").split(/[,、\s]+/).map(Number);
    const place_id = this.picked?.name === name ? this.picked.id : undefined;
    const data = {
      destination: { name, latitude, longitude, place_id },
      place: { name, latitude, longitude, phone, place_id },
      phone: { name, phone },
      notice: { text: name },
      news: { title: name, summary: value("more"), source: value("source") },
      weather: { place: name, sky: value("sky"), day: value("day"), high_c: number("high"), low_c: number("low"), chance: number("chance"), source: value("source") },
    }[kind];
    await this.step("pushes", { id: newId(), kind, data });
    for (const id of PUSH_FIELDS) at(`push-${id}`).value = id === "sky" ? "clear" : "";
  }

  pushFields() {
    const shown = { destination: ["where"], place: ["where", "phone"], phone: ["phone"], notice: [], news: ["more", "source"], weather: ["sky", "day", "high", "low", "chance", "source"] }[at("push-kind").value];
    for (const id of PUSH_FIELDS) at(`push-${id}`).hidden = id !== "name" && !shown.includes(id);
    const hint = this.w.pushNames[at("push-kind").value];
    for (const name of ["placeholder", "title", "ariaLabel"]) at("push-name")[name] = hint;
  }

  pushed(push) {
    const known = this.shown.pushes.findIndex((p) => p.id === push.id);
    if (known >= 0) this.shown.pushes[known] = push;
    else this.shown.pushes.push(push);
    at("pushed").replaceChildren(...this.shown.pushes.map((p) => pushView(p, this.w)));
  }

  async giveBack() {
    await this.step("return", { note: at("note").value.trim() });
    at("note").value = "";
  }

  async phrases() {
    const phrases = await this.api.get("/api/v1/phrases");
    const language = this.shown?.packet.driver.language ?? this.language;
    at("canned").replaceChildren(el("option", { value: "" }, this.w.canned), ...phrases[language].map((text) => el("option", { value: text }, text)));
  }

  canned() {
    if (at("canned").value) at("text").value = at("canned").value;
    at("canned").value = "";
    at("text").focus();
  }

  // ── looking back ──

  async search() {
    const text = at("q").value.trim();
    if (!text) return;
    const { lines } = await this.api.get(`/api/v1/search?q=${encodeURIComponent(text)}`);
    const rows = lines.map((line) => el("li", {}, el("button", { type: "button", cls: "row", click: () => this.try(() => this.open(line.handoff)) },
      el("span", { cls: "soft" }, `${line.at} ${this.w[line.speaker]} ${line.driver}`), line.text)));
    this.leaveTalk();
    at("packet").replaceChildren(el("h3", {}, `${this.w.results}: ${text}`), rows.length ? el("ol", {}, rows) : el("p", { cls: "soft" }, this.w.nothing));
  }

  // Nothing of a talk is shown any more.
  leaveTalk() {
    this.shown = null;
    for (const id of ["talk", "steps", "pushed"]) at(id).replaceChildren();
    at("composer").hidden = true;
  }

  async overview() {
    const [figures, { audit }] = [await this.api.get("/api/v1/statistics"), await this.api.get("/api/v1/audit")];
    const w = this.w;
    const rows = [
      ...Object.entries(figures.states).map(([state, count]) => [w.states[state] ?? state, count]),
      [w.median, figures.wait_median_s === null ? "–" : `${figures.wait_median_s.toFixed(1)} s`],
      [w.p95, figures.wait_p95_s === null ? "–" : `${figures.wait_p95_s.toFixed(1)} s`],
    ];
    this.leaveTalk();
    at("packet").replaceChildren(
      el("h3", {}, w.statistics), el("dl", {}, rows.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
      el("h3", {}, w.audit), el("ul", {}, audit.slice(0, 100).map((a) => el("li", {}, el("span", { cls: "soft" }, a.at), ` ${a.actor} ${a.action} ${a.handoff ?? ""} ${a.detail ?? ""}`))));
  }
}

new Page().start();
