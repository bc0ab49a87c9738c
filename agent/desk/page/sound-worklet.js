// In the sound thread: the microphone to 20 ms frames of 16 kHz s16le, and such frames to the loudspeaker. Where the browser runs
// at another rate, sound is brought to 16 kHz and back here.
const RATE = 16000;
const FRAME = 320;
const AHEAD = 4 * FRAME; // 80 ms are there before it sounds
const LIMIT = 50 * FRAME; // a second at most; what comes too fast loses its oldest part

const loudness = (sum, count) => Math.min(1, Math.sqrt(sum / Math.max(1, count)) * 4);

class Microphone extends AudioWorkletProcessor {
  #step = sampleRate / RATE;
  #sum = 0;
  #count = 0;
  #next = 0;
  #frame = new Int16Array(FRAME);
  #filled = 0;
  #energy = 0;

  process([input]) {
    const samples = input[0];
    if (!samples) return true;
    for (const sample of samples) {
      // The mean over a step: enough of a low-pass for speech.
      this.#sum += sample;
      this.#count += 1;
      this.#next += 1;
      if (this.#next >= this.#step) {
        this.#next -= this.#step;
        this.#put(this.#sum / this.#count);
        this.#sum = this.#count = 0;
      }
    }
    return true;
  }

  #put(value) {
    this.#energy += value * value;
    this.#frame[this.#filled++] = Math.max(-32768, Math.min(32767, Math.round(value * 32767)));
    if (this.#filled < FRAME) return;
    this.port.postMessage({ frame: this.#frame.buffer, level: loudness(this.#energy, FRAME) }, [this.#frame.buffer]);
    this.#frame = new Int16Array(FRAME);
    this.#filled = this.#energy = 0;
  }
}

class Loudspeaker extends AudioWorkletProcessor {
  #step = RATE / sampleRate;
  #frames = [];
  #length = 0;
  #at = 0;
  #sounding = false;
  #waited = 0;
  #lost = 0;
  #energy = 0;
  #count = 0;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => {
      this.#frames.push(new Int16Array(data));
      this.#length += FRAME;
      while (this.#length > LIMIT) {
        this.#frames.shift();
        this.#length -= FRAME;
        this.#at = 0;
        this.#lost += 1;
      }
    };
  }

  process(_, [output]) {
    const out = output[0];
    if (!this.#sounding && this.#length) {
      this.#waited += out.length / sampleRate;
      this.#sounding = this.#length >= AHEAD || this.#waited > 0.12;
    }
    for (let n = 0; n < out.length; n++) {
      out[n] = this.#sounding ? this.#take() : 0;
      this.#energy += out[n] * out[n];
    }
    for (let channel = 1; channel < output.length; channel++) output[channel].set(out);
    this.#count += out.length;
    if (this.#count >= sampleRate / 20) {
      this.port.postMessage({ level: loudness(this.#energy, this.#count), lost: this.#lost });
      this.#energy = this.#count = this.#lost = 0;
    }
    return true;
  }

  #take() {
    const frame = this.#frames[0];
    if (!frame) {
      this.#sounding = false;
      this.#waited = 0;
      return 0;
    }
    const whole = Math.floor(this.#at);
    const part = this.#at - whole;
    const here = frame[whole] / 32768;
    const next = (whole + 1 < FRAME ? frame[whole + 1] : (this.#frames[1]?.[0] ?? frame[whole])) / 32768;
    this.#at += this.#step;
    if (this.#at >= FRAME) {
      this.#at -= FRAME;
      this.#frames.shift();
      this.#length -= FRAME;
    }
    return here + (next - here) * part;
  }
}

registerProcessor("microphone", Microphone);
registerProcessor("loudspeaker", Loudspeaker);
