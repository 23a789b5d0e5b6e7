// The conversation that docs/live.md describes, held again whenever it breaks.

import { _, ofError } from "./words.js";

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 10_000;
// About ten seconds of sound; what is older is of no use to anybody.
const MOST_WAITING_BYTES = 1_000_000;
// What may be otherwise in a while; everything else the server says would be said again.
const PASSING = ["server-stopping", "live-idle", "internal-error", "too-many-live-sessions"];

export class LiveSession {
  /**
   * `hello` is the first message. `onAnswer` gets each answer, `onWait` is called when the
   * connection is lost and will be made again, `onReady` when it is there, and `onRefused` with
   * words for the user, and the server's own, when there is nothing to wait for.
   */
  constructor(url, hello, handlers) {
    this.url = url;
    this.hello = hello;
    this.handlers = handlers;
    this.pause_ms = FIRST_PAUSE_MS;
    this.wasReady = false;
    this.isOver = false;
    this.connect();
  }

  connect() {
    this.isReady = false;
    let told = null;
    this.socket = new WebSocket(this.url);
    this.socket.onopen = () => this.socket.send(JSON.stringify(this.hello));
    this.socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "error") told = message;
      else if (message.type === "ready") this.begin();
      else this.handlers.onAnswer(message);
    };
    this.socket.onclose = () => this.end(told);
  }

  begin() {
    this.isReady = this.wasReady = true;
    this.pause_ms = FIRST_PAUSE_MS;
    this.handlers.onReady();
  }

  end(told) {
    this.isReady = false;
    if (this.isOver) return;
    // Who was never let in hears why; who was comes back as soon as there is a way.
    if (told ? !(this.wasReady && PASSING.includes(told.code)) : !this.wasReady) {
      this.isOver = true;
      const { words, original } = told
        ? ofError(told)
        : { words: _("Undertone does not answer; it may have been stopped.") };
      return this.handlers.onRefused(words, original);
    }
    this.handlers.onWait();
    this.timer = setTimeout(() => this.connect(), this.pause_ms);
    this.pause_ms = Math.min(2 * this.pause_ms, LONGEST_PAUSE_MS);
  }

  /** Send samples; without a connection, or with a slow one, they are lost. */
  send(piece) {
    if (this.isReady && this.socket.bufferedAmount < MOST_WAITING_BYTES) this.socket.send(piece);
  }

  close() {
    this.isOver = true;
    clearTimeout(this.timer);
    this.socket.close(1000);
  }
}
