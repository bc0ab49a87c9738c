// Plays 16 kHz s16le frames: begins when 80 ms are there (or nothing came for as long), fades where it is cut.
const START = 1280; // samples: 80 ms
const MOST = 32000; // more than two seconds behind: the oldest goes
const FADE = 64;

class PlayerProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.port.onmessage = ({ data }) => this.told(data);
    this.clear();
    this.held = false;
    this.last = 0;
  }

  clear() {
    this.frames = [];
    this.size = 0;
    this.offset = 0;
    this.playing = false;
    this.waited = 0;
  }

  told({ frame, do: what }) {
    if (frame) {
      this.frames.push(new Int16Array(frame));
      this.size += frame.byteLength / 2;
      this.waited = 0;
      while (this.size > MOST) this.drop();
    } else if (what === "hold") this.held = true;
    else if (what === "go_on") this.held = false;
    else if (what === "flush") {
      this.held = false;
      this.clear();
    }
  }

  drop() {
    this.size -= this.frames[0].length - this.offset;
    this.frames.shift();
    this.offset = 0;
  }

  process(_, [[out]]) {
    // A last short sound need not wait for more.
    this.waited += out.length;
    if (!this.playing && (this.size >= START || (this.size > 0 && this.waited >= START))) this.playing = true;
    let at = 0;
    if (this.playing && !this.held) {
      while (at < out.length && this.size > 0) {
        const frame = this.frames[0];
        const count = Math.min(out.length - at, frame.length - this.offset);
        for (let i = 0; i < count; i++) out[at + i] = frame[this.offset + i] / 32768;
        at += count;
        this.offset += count;
        this.size -= count;
        if (this.offset === frame.length) {
          this.frames.shift();
          this.offset = 0;
        }
      }
      if (this.size === 0) this.playing = false;
    }
    if (at) this.last = out[at - 1];
    // No click where the sound ends or is held.
    if (at < out.length && this.last) {
      for (let i = at; i < Math.min(out.length, at + FADE); i++) out[i] = this.last * (1 - (i - at + 1) / FADE);
      this.last = 0;
    }
    return true;
  }
}

registerProcessor("player", PlayerProcessor);
