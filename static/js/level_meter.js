// How loud the microphone is, drawn as the last few seconds of its outline.

const BAR_PX = 3; // in CSS pixels, and so much again for the gap
const BARS_PER_S = 20;
// Of full scale; the noise of an open microphone is above, one that is muted is under it.
const SOUND_PEAK = 0.004;

export class LevelMeter {
  /** Draws until close(); onSound is called at the first sound above silence. */
  constructor(stream, canvas, onSound) {
    this.canvas = canvas;
    this.onSound = onSound;
    this.levels = [];
    this.loudest = 0;
    this.context = new AudioContext();
    this.context.resume();
    this.analyser = this.context.createAnalyser();
    this.analyser.fftSize = 2048;
    this.context.createMediaStreamSource(stream).connect(this.analyser);
    this.samples = new Float32Array(this.analyser.fftSize);
    this.still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const ratio = devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * ratio;
    canvas.height = canvas.clientHeight * ratio;
    this.timer = setInterval(() => this.step(), 1000 / BARS_PER_S);
  }

  step() {
    this.analyser.getFloatTimeDomainData(this.samples);
    const peak = this.samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    if (peak > SOUND_PEAK && this.onSound) {
      this.onSound();
      this.onSound = null;
    }
    // Speech uses the lowest tenth of the range most of the time: the root spreads it out.
    this.levels.push(Math.sqrt(peak));
    this.draw();
  }

  draw() {
    const { width, height } = this.canvas;
    const brush = this.canvas.getContext("2d");
    brush.clearRect(0, 0, width, height);
    brush.fillStyle = getComputedStyle(this.canvas).color;
    if (this.still) {
      brush.fillRect(0, height / 3, width * Math.min(1, this.levels.at(-1)), height / 3);
      return;
    }
    const bar = BAR_PX * (devicePixelRatio || 1);
    const fitting = Math.ceil(width / (2 * bar));
    this.levels.splice(0, this.levels.length - fitting);
    this.levels.forEach((level, index) => {
      const tall = Math.max(bar, level * height);
      const fromRight = this.levels.length - index;
      brush.fillRect(width - 2 * bar * fromRight, (height - tall) / 2, bar, tall);
    });
  }

  close() {
    clearInterval(this.timer);
    this.context.close();
  }
}
