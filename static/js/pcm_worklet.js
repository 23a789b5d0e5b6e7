// Runs beside the page, where sound comes: 16-bit samples in pieces of a tenth of a second.

const PIECE_S = 0.1;

class PcmSender extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Int16Array(Math.round(sampleRate * PIECE_S)); // of this scope: the context's
    this.filled = 0;
  }

  process([[channel]]) {
    for (const sample of channel ?? []) {
      this.piece[this.filled] = 32767 * Math.max(-1, Math.min(1, sample));
      this.filled += 1;
      if (this.filled === this.piece.length) {
        this.port.postMessage(this.piece.slice().buffer);
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("pcm-sender", PcmSender);
