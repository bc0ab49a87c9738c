// What the gateway sends is played as it comes, behind a buffer of 80 ms.
const RATE = 16000;

export class Player {
  #opening = null;
  #node = null;
  #context = null;

  // May be called before any gesture; sound then begins with the first one.
  open() {
    this.#opening ??= this.#open().catch((error) => {
      this.#opening = null;
      throw error;
    });
    return this.#opening;
  }

  async #open() {
    const context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    if (!context.audioWorklet) throw new Error("insecure");
    await context.audioWorklet.addModule("/page/voice/player-worklet.js");
    this.#node = new AudioWorkletNode(context, "player", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#node.connect(context.destination);
    this.#context = context;
    context.resume();
  }

  resume() {
    if (this.#context?.state === "suspended") this.#context.resume();
  }

  play(buffer) {
    this.#node?.port.postMessage({ frame: buffer }, [buffer]);
  }

  // Silent at once; what is buffered is kept for `goOn`, or dropped by `flush`.
  hold() {
    this.#node?.port.postMessage({ do: "hold" });
  }

  goOn() {
    this.#node?.port.postMessage({ do: "go_on" });
  }

  flush() {
    this.#node?.port.postMessage({ do: "flush" });
  }
}
