// The sound between the operator and the driver (docs/desk.md): a WebSocket of its own, 20 ms frames both ways. The microphone is
// asked for when it is first needed; where there is none, typed words go on.
const PROTOCOL = "desk.sound.v1";
const ENDED = 4000;
const REPLACED = 4001;
const RETRY_MS = 1000;

export class Sound {
  #socket = null;
  #handoff = null;
  #csrf = "";
  #context = null;
  #speaker = null;
  #microphone = null;
  #asking = null;
  #pressed = false;
  #retry = 0;

  // `changed` is called with what is to be shown: {on, open, car, transcribed, talking, problem, lost}; `levels` with loudness 0…1.
  constructor({ changed, mine, driver }) {
    this.changed = changed;
    this.levels = { mine, driver };
    this.state = { on: false, open: false, car: false, transcribed: true, talking: false, problem: "", lost: 0 };
  }

  get handoff() {
    return this.#handoff;
  }

  // The sound of this handoff (null: none) from now on.
  follow(handoff, csrf) {
    this.#csrf = csrf;
    if (handoff === this.#handoff) return;
    this.#handoff = handoff;
    this.#hangUp();
    this.#show({ lost: 0 });
    if (handoff) this.#dial();
  }

  // The button went down: asks for the microphone if need be, then everything said is heard in the car.
  async press() {
    if (this.#pressed || !this.state.open) return;
    this.#pressed = true;
    if (!(await this.#listen())) {
      this.#pressed = false;
      return;
    }
    // Let go while the browser asked.
    if (this.#pressed) this.#talk(true);
  }

  release() {
    this.#pressed = false;
    if (this.state.talking) this.#talk(false);
  }

  // Browsers let a page sound only after it was touched.
  wake() {
    if (this.#context?.state === "suspended") this.#context.resume().catch(() => {});
  }

  #show(change) {
    Object.assign(this.state, change);
    this.changed(this.state);
  }

  #dial() {
    const handoff = this.#handoff;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/api/v1/handoffs/${encodeURIComponent(handoff)}/sound`, [PROTOCOL, this.#csrf]);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => (typeof data === "string" ? this.#told(JSON.parse(data)) : this.#hear(data));
    socket.onopen = () => this.#show({ on: true, problem: this.state.problem === "line" ? "" : this.state.problem });
    socket.onclose = ({ code }) => {
      if (this.#socket !== socket) return;
      this.#show({ on: false, open: false, car: false, talking: false, problem: code === REPLACED ? "replaced" : code === ENDED ? "" : "line" });
      // Taken over by another window, or over: then not again.
      if (code !== REPLACED && code !== ENDED) this.#retry = setTimeout(() => this.#handoff === handoff && this.#dial(), RETRY_MS);
    };
    this.#socket = socket;
    this.#speak();
  }

  #hangUp() {
    clearTimeout(this.#retry);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#pressed = false;
    this.#quiet();
    this.levels.driver(0);
    this.#show({ on: false, open: false, car: false, talking: false, problem: this.state.problem === "line" || this.state.problem === "replaced" ? "" : this.state.problem });
  }

  #told(note) {
    if (note.type === "ready") this.#show({ transcribed: note.transcribed });
    else if (note.type === "state") {
      if (!note.open && this.state.talking) this.#talk(false);
      this.#show({ open: note.open, car: note.car });
    } else if (note.type === "untranscribed") this.#show({ transcribed: false });
    else if (note.type === "lost") this.#show({ lost: this.state.lost + note.frames });
  }

  #talk(on) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ type: "talk", on }));
    if (!on) this.levels.mine(0);
    this.#show({ talking: on });
  }

  #hear(frame) {
    if (this.#speaker && frame.byteLength === 640) this.#speaker.port.postMessage(frame, [frame]);
  }

  async #engine() {
    this.#context ??= this.#made();
    return this.#context;
  }

  #made() {
    const context = new AudioContext({ sampleRate: 16000, latencyHint: "interactive" });
    context.ready = context.audioWorklet.addModule("/desk/sound-worklet.js");
    return context;
  }

  async #speak() {
    try {
      const context = await this.#engine();
      await context.ready;
      if (this.#speaker) return;
      const speaker = new AudioWorkletNode(context, "loudspeaker", { numberOfInputs: 0, outputChannelCount: [1] });
      speaker.port.onmessage = ({ data }) => {
        if (this.#handoff) this.levels.driver(data.level);
        if (data.lost) this.#show({ lost: this.state.lost + data.lost });
      };
      speaker.connect(context.destination);
      this.#speaker = speaker;
    } catch {
      this.#show({ problem: "speaker" });
    }
  }

  // Whether there is a microphone; asked for once at a time.
  #listen() {
    this.#asking ??= this.#ask().finally(() => (this.#asking = null));
    return this.#asking;
  }

  async #ask() {
    this.wake();
    if (this.#microphone) return true;
    try {
      if (!navigator.mediaDevices?.getUserMedia) throw new DOMException("", "NotFoundError");
      const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true } });
      const context = await this.#engine();
      await context.ready;
      const source = context.createMediaStreamSource(stream);
      const node = new AudioWorkletNode(context, "microphone", { numberOfOutputs: 0 });
      node.port.onmessage = ({ data }) => this.#spoken(data);
      source.connect(node);
      stream.getAudioTracks()[0].onended = () => {
        this.#quiet();
        this.release();
        this.#show({ problem: "unplugged" });
      };
      this.#microphone = { stream, source, node };
      this.#show({ problem: "" });
      return true;
    } catch (error) {
      const problem = { NotAllowedError: "denied", SecurityError: "denied", NotFoundError: "missing", NotReadableError: "busy" }[error.name] ?? "microphone";
      this.#show({ problem });
      return false;
    }
  }

  #spoken({ frame, level }) {
    if (!this.state.talking) return;
    this.levels.mine(level);
    // A line that is held up gets no more than it can take: what is late is of no use.
    if (this.#socket?.readyState !== WebSocket.OPEN || this.#socket.bufferedAmount > 32000) this.#show({ lost: this.state.lost + 1 });
    else this.#socket.send(frame);
  }

  // The microphone is let go: its lamp goes out.
  #quiet() {
    this.#microphone?.stream.getTracks().forEach((track) => track.stop());
    this.#microphone?.source.disconnect();
    this.#microphone = null;
  }
}
