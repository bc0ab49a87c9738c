// From the sound card's rate to 16 kHz (a windowed sinc, so that nothing above 8 kHz folds down), in 20 ms frames of s16le.
const RATE = 16000;
const FRAME = 320;
const ZERO_CROSSINGS = 12;
const PHASES = 128;

class Resampler {
  constructor(from) {
    this.step = from / RATE;
    const cutoff = Math.min(1, 1 / this.step) * 0.94;
    this.half = Math.ceil(ZERO_CROSSINGS / cutoff);
    this.width = 2 * this.half;
    // One row of taps for each fraction of a sample.
    this.rows = Array.from({ length: PHASES + 1 }, (_, phase) => {
      const row = new Float32Array(this.width);
      for (let tap = 0; tap < this.width; tap++) {
        const x = tap - this.half + 1 - phase / PHASES;
        const angle = Math.PI * cutoff * x;
        const sinc = x === 0 ? cutoff : (cutoff * Math.sin(angle)) / angle;
        row[tap] = sinc * (0.5 + 0.5 * Math.cos((Math.PI * x) / this.half)) * (Math.abs(x) <= this.half ? 1 : 0);
      }
      return row;
    });
    this.kept = new Float32Array(this.width);
    this.at = this.half;
  }

  // Calls `out` with each sample at 16 kHz.
  push(samples, out) {
    const all = new Float32Array(this.kept.length + samples.length);
    all.set(this.kept);
    all.set(samples, this.kept.length);
    while (this.at + this.half < all.length) {
      const whole = Math.floor(this.at);
      const row = this.rows[Math.round((this.at - whole) * PHASES)];
      const first = whole - this.half + 1;
      let sum = 0;
      for (let tap = 0; tap < this.width; tap++) sum += row[tap] * all[first + tap];
      out(sum);
      this.at += this.step;
    }
    const drop = Math.max(0, Math.floor(this.at) - this.half);
    this.kept = all.slice(drop);
    this.at -= drop;
  }
}

class MicrophoneProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate);
    this.frame = new Int16Array(FRAME);
    this.filled = 0;
    this.energy = 0;
  }

  process([[channel]]) {
    if (channel) this.resampler.push(channel, (sample) => this.add(sample));
    return true;
  }

  add(sample) {
    const clipped = Math.max(-1, Math.min(1, sample));
    this.energy += clipped * clipped;
    this.frame[this.filled++] = Math.round(clipped * 32767);
    if (this.filled < FRAME) return;
    // −50 dB … −10 dB as 0 … 1.
    const decibels = 10 * Math.log10(this.energy / FRAME + 1e-9);
    const { buffer } = this.frame;
    this.port.postMessage({ frame: buffer, level: Math.max(0, Math.min(1, (decibels + 50) / 40)) }, [buffer]);
    this.frame = new Int16Array(FRAME);
    this.filled = 0;
    this.energy = 0;
  }
}

registerProcessor("microphone", MicrophoneProcessor);
