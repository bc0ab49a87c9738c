// The microphone: 20 ms frames of 16 kHz mono s16le, made in an AudioWorklet.
export class Microphone {
  // listeners: frame(ArrayBuffer), level(0 … 1), lost(). Throws what getUserMedia throws; "insecure" where there is no such thing.
  static async open(listeners) {
    if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) throw new Error("insecure");
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
    const context = new AudioContext({ latencyHint: "interactive" });
    try {
      await context.audioWorklet.addModule("/page/voice/microphone-worklet.js");
      return new Microphone(stream, context, listeners);
    } catch (error) {
      for (const track of stream.getTracks()) track.stop();
      context.close();
      throw error;
    }
  }

  constructor(stream, context, { frame, level, lost }) {
    this.stream = stream;
    this.context = context;
    this.node = new AudioWorkletNode(context, "microphone", { numberOfInputs: 1, numberOfOutputs: 0 });
    this.node.port.onmessage = ({ data }) => {
      level(data.level);
      frame(data.frame);
    };
    this.source = context.createMediaStreamSource(stream);
    this.source.connect(this.node);
    for (const track of stream.getTracks()) track.onended = lost;
    context.resume();
  }

  close() {
    this.node.port.onmessage = null;
    this.source.disconnect();
    for (const track of this.stream.getTracks()) {
      track.onended = null;
      track.stop();
    }
    this.context.close();
  }
}
