// What is heard now, and in the last minute.

import { clock } from "./format.js";
import { _ } from "./words.js";

const STEPS = 120; // half seconds
const LONGEST_LARGE = 8; // letters
const SVG = "http://www.w3.org/2000/svg";

export class LivePicture {
  constructor(root) {
    this.find = (name) => root.querySelector(`[data-${name}]`);
    this.bars = new Map();
    for (const bar of root.querySelectorAll("[data-bar]")) this.bars.set(bar.dataset.bar, bar);
    this.noTile = this.find("tile").firstElementChild;
    this.shown = null;
  }

  /** Show an answer of the server's. */
  answer(heard) {
    this.step(heard.emotion);
    this.find("timer").textContent = clock(heard.end_s);
    this.showShares(heard.probabilities ?? {});
    if (heard.type !== "heard") return this.words(_("Listening"), "…");
    const { title } = this.bars.get(heard.emotion).dataset;
    this.words(heard.uncertain ? _("A guess. Closest to") : _("Heard in this voice"), title);
    this.find("share").textContent = percent(heard.confidence);
    this.find("sure").textContent = heard.uncertain ? _("a guess") : "";
    this.tile(heard.emotion);
  }

  showShares(probabilities) {
    for (const [name, bar] of this.bars) {
      const share = probabilities[name];
      bar.querySelector("[data-amount]").setAttribute("width", 100 * (share ?? 0));
      bar.querySelector(".live-share").textContent = share === undefined ? "" : percent(share);
    }
  }

  /** Words instead of an answer. */
  words(kicker, title) {
    this.find("kicker").textContent = kicker;
    this.find("emotion").textContent = title;
    this.find("emotion").classList.toggle("long-word", title.length > LONGEST_LARGE);
    this.find("share").textContent = "";
    this.find("sure").textContent = "";
    this.tile(null);
  }

  /** Forget the last minute. */
  clear() {
    this.find("strip").replaceChildren();
    this.find("timer").textContent = clock(0);
    this.showShares({});
  }

  tile(name) {
    if (this.shown === name) return;
    this.shown = name;
    const tile = name && this.bars.get(name).querySelector("svg").cloneNode(true);
    tile?.removeAttribute("class");
    this.find("tile").replaceChildren(tile ?? this.noTile);
  }

  step(name) {
    const strip = this.find("strip");
    while (strip.childElementCount >= STEPS) strip.firstElementChild.remove();
    const rect = document.createElementNS(SVG, "rect");
    const [y, height] = name ? [0, 10] : [4.7, 0.6];
    rect.setAttribute("width", 1.05); // a little over, or the ground would shine through
    rect.setAttribute("y", y);
    rect.setAttribute("height", height);
    rect.setAttribute("fill", name ? this.bars.get(name).dataset.colour : "#8791a1");
    strip.append(rect);
    [...strip.children].forEach((each, index, all) =>
      each.setAttribute("x", STEPS - all.length + index),
    );
  }
}

/** Rounding never makes it certain. */
function percent(share) {
  if (share >= 0.995) return ">\u202f99\u202f%";
  return share < 0.005 ? "<\u202f1\u202f%" : `${Math.round(100 * share)}\u202f%`;
}
