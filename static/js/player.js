// Plays a result's recording: the file that was just sent and is still in the browser, or the one
// that Undertone has kept.

import { moment } from "./format.js";
import { findLength } from "./media.js";
import { _ } from "./words.js";

let previous = null;

/** Give a result page sound: that of a file, or of the recording that is kept. */
export function attachPlayer(main, file = null) {
  previous?.dispose();
  previous = null;
  const { recording } = main.querySelector("[data-player]").dataset;
  if (file || recording) previous = new Player(main, file, recording);
}

class Player {
  constructor(main, file, recording) {
    const root = main.querySelector("[data-player]");
    this.find = (name) => root.querySelector(`[data-${name}]`);
    this.main = main;
    this.note = main.querySelector("[data-note]");
    this.usualNote = this.note.textContent;
    this.recording = recording;
    this.duration_s = Number(root.dataset.durationS);
    // One through the waveform, and one through each picture of the timeline.
    this.cursors = [...main.querySelectorAll("[data-cursor]")];
    this.url = file ? URL.createObjectURL(file) : recording;
    this.audio = new Audio();
    this.audio.preload = "metadata";
    this.audio.addEventListener("loadedmetadata", () => this.reveal(), { once: true });
    this.audio.addEventListener("error", () =>
      this.conceal(
        _("This browser cannot play this format, so the recording can only be seen here."),
      ),
    );
    for (const name of ["play", "pause", "ended"]) {
      this.audio.addEventListener(name, () => this.showState());
    }
    this.audio.addEventListener("timeupdate", () => this.showPosition());
    this.find("play").addEventListener("click", () => this.toggle());
    this.find("seek").addEventListener("input", () => this.seek());
    // Whoever points at a moment wants to hear it; the keyboard only moves there.
    this.find("seek").addEventListener("pointerup", () => this.audio.play());
    for (const picture of main.querySelectorAll("[data-through]")) {
      picture.addEventListener("click", (event) => this.playFrom(this.pointedAt(event, picture)));
    }
    // In the document, because media that leaves the document stops playing.
    root.append(this.audio);
    this.audio.src = this.url;
  }

  reveal() {
    findLength(this.audio);
    this.find("play").hidden = false;
    this.find("seek").hidden = false;
    if (!this.recording) {
      this.note.textContent = _(
        "Played from this browser: Undertone has not kept the recording, and it is gone when you leave this page.",
      );
    }
    this.offerMoments();
    this.showPosition();
  }

  /** Each time that is told becomes a button that plays from there. */
  offerMoments() {
    for (const time of this.main.querySelectorAll("span[data-at-s]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "from-here";
      button.dataset.atS = time.dataset.atS;
      button.textContent = time.textContent;
      button.setAttribute("aria-label", _("Play from %(time)s", { time: time.textContent }));
      button.addEventListener("click", () => this.playFrom(Number(time.dataset.atS)));
      time.replaceWith(button);
    }
    this.main.classList.add("can-play");
  }

  conceal(why) {
    this.find("play").hidden = true;
    this.find("seek").hidden = true;
    for (const cursor of this.cursors) cursor.setAttribute("visibility", "hidden");
    for (const button of this.main.querySelectorAll("button[data-at-s]")) {
      const time = document.createElement("span");
      time.dataset.atS = button.dataset.atS;
      time.textContent = button.textContent;
      button.replaceWith(time);
    }
    this.main.classList.remove("can-play");
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

  playFrom(at_s) {
    if (this.find("play").hidden) return;
    this.audio.currentTime = at_s;
    this.audio.play();
  }

  /** The moment, in seconds, that a click into a picture of the whole recording means. */
  pointedAt(event, picture) {
    const { left, width } = picture.getBoundingClientRect();
    return (this.duration_s * (event.clientX - left)) / width;
  }

  showState() {
    const { paused } = this.audio;
    this.find("play").setAttribute(
      "aria-label",
      paused ? _("Play the recording") : _("Pause the recording"),
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
    for (const cursor of this.cursors) {
      const [, , width] = cursor.ownerSVGElement.getAttribute("viewBox").split(" ");
      const x = (now_s / this.duration_s) * width;
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
      cursor.setAttribute("visibility", "visible");
    }
    const now = moment(now_s, this.duration_s);
    const end = moment(this.duration_s, this.duration_s);
    this.find("now").textContent = now;
    this.find("seek").value = now_s;
    this.find("seek").setAttribute("aria-valuetext", _("%(now)s of %(end)s", { now, end }));
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
