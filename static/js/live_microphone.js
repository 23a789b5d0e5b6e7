// The microphone as a stream of samples, for as long as one likes.

import { openMicrophone } from "./microphone.js";

export class LiveMicrophone {
  /**
   * Open the microphone; `onPiece` gets buffers of 16-bit samples, `onEnd` is called when it is
   * unplugged. Throws MicrophoneRefused.
   */
  static async open(workletUrl, { onPiece, onEnd }) {
    const stream = await openMicrophone();
    const microphone = new LiveMicrophone(stream);
    try {
      const { context } = microphone;
      await context.audioWorklet.addModule(workletUrl);
      await context.resume();
      const node = new AudioWorkletNode(context, "pcm-sender", { numberOfOutputs: 0 });
      node.port.onmessage = ({ data }) => onPiece(data);
      context.createMediaStreamSource(stream).connect(node);
      stream.getAudioTracks()[0].addEventListener("ended", onEnd);
    } catch (error) {
      microphone.close();
      throw error;
    }
    return microphone;
  }

  constructor(stream) {
    this.stream = stream;
    this.context = new AudioContext();
    this.rate = this.context.sampleRate;
  }

  close() {
    // Until the tracks are stopped the browser shows that the page listens.
    for (const track of this.stream.getTracks()) track.stop();
    if (this.context.state !== "closed") this.context.close();
  }
}
