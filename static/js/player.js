// Plays a result's recording: the file that was just sent and is still in the browser, or the one
// that Undertone has kept.

import { moment } from "./format.js";
import { findLength } from "./media.js";

let previous = null;

/** Give a result page's waveform sound: that of a file, or of the recording that is kept. */
export function attachPlayer(main, file = null) {
  previous?.dispose();
  previous = null;
  const root = main.querySelector("[data-player]");
  const { recording } = root.dataset;
  if (file || recording) {
    previous = new Player(root, main.querySelector("[data-note]"), file, recording);
  }
}

class Player {
  constructor(root, note, file, recording) {
    this.find = (name) => root.querySelector(`[data-${name}]`);
    this.note = note;
    this.usualNote = note.textContent;
    this.recording = recording;
    this.duration_s = Number(root.dataset.durationS);
    this.url = file ? URL.createObjectURL(file) : recording;
    this.audio = new Audio();
    this.audio.preload = "metadata";
    this.audio.addEventListener("loadedmetadata", () => this.reveal(), { once: true });
    this.audio.addEventListener("error", () =>
      this.conceal("This browser cannot play this format, so the recording can only be seen here."),
    );
    for (const name of ["play", "pause", "ended"]) {
      this.audio.addEventListener(name, () => this.showState());
    }
    this.audio.addEventListener("timeupdate", () => this.showPosition());
    this.find("play").addEventListener("click", () => this.toggle());
    this.find("seek").addEventListener("input", () => this.seek());
    // In the document, because media that leaves the document stops playing.
    root.append(this.audio);
    this.audio.src = this.url;
  }

  reveal() {
    findLength(this.audio);
    this.find("play").hidden = false;
    this.find("seek").hidden = false;
    if (!this.recording) {
      this.note.textContent =
        "Played from this browser: Undertone has not kept the recording, and it is gone when you leave this page.";
    }
    this.showPosition();
  }

  conceal(why) {
    this.find("play").hidden = true;
    this.find("seek").hidden = true;
    this.find("cursor").setAttribute("visibility", "hidden");
    this.note.textContent = why;
  }

  toggle() {
    if (this.audio.paused) this.audio.play();
    else this.audio.pause();
  }

  seek() {
    this.audio.currentTime = Number(this.find("seek").value);
    this.showPosition();
  }

  showState() {
    const { paused } = this.audio;
    this.find("play").setAttribute(
      "aria-label",
      paused ? "Play the recording" : "Pause the recording",
    );
    this.find("icon=play").toggleAttribute("hidden", !paused);
    this.find("icon=pause").toggleAttribute("hidden", paused);
    this.follow();
  }

  /** Move the cursor with each frame while it plays; timeupdate alone comes too seldom. */
  follow() {
    this.showPosition();
    if (!this.audio.paused) requestAnimationFrame(() => this.follow());
  }

  showPosition() {
    const now_s = Math.min(this.audio.currentTime, this.duration_s);
    const [, , width] = this.find("cursor").ownerSVGElement.getAttribute("viewBox").split(" ");
    const x = (now_s / this.duration_s) * width;
    this.find("cursor").setAttribute("x1", x);
    this.find("cursor").setAttribute("x2", x);
    this.find("cursor").setAttribute("visibility", "visible");
    this.find("now").textContent = moment(now_s, this.duration_s);
    this.find("seek").value = now_s;
    this.find("seek").setAttribute(
      "aria-valuetext",
      `${moment(now_s, this.duration_s)} of ${moment(this.duration_s, this.duration_s)}`,
    );
  }

  /** Give the file back: a newer recording takes its place. */
  dispose() {
    if (this.recording) {
      this.audio.src = this.recording;
    } else {
      this.audio.remove();
      this.audio.removeAttribute("src");
      this.conceal(this.usualNote);
    }
    URL.revokeObjectURL(this.url);
  }
}
