// Records the microphone into a file; what happens to the file is the form's matter.

import { clock } from "./format.js";
import { LevelMeter } from "./level_meter.js";
import { MicrophoneRefused, openMicrophone } from "./microphone.js";
import { leaving } from "./pages.js";
import { _ } from "./words.js";

// The first that the browser can write; every one of them can be read by the server.
const TYPES = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];
const EXTENSIONS = { "audio/webm": "webm", "audio/mp4": "mp4", "audio/ogg": "ogg" };
const QUIET_MS = 2500;
const ANNOUNCE_EVERY_S = 30;
// The recording made last; outlives its form, which another language exchanges.
let take = null; // {name, size, isSent}

export function setUpRecorder(form, { show, tell, say, choose, showChosen }) {
  const hint = form.querySelector("#level-hint");
  const usualHint = hint.textContent;
  let finish = null; // ends the recording in progress: finish({keep})

  async function start() {
    if (finish) return;
    tell();
    setAsking(true);
    try {
      record(await openMicrophone());
    } catch (error) {
      if (!(error instanceof MicrophoneRefused)) throw error;
      tell(error.message);
    } finally {
      setAsking(false);
    }
  }

  function setAsking(asking) {
    // Not `disabled`: that would take the keyboard focus away.
    for (const button of [form.querySelector("#record"), form.querySelector("#record-again")]) {
      button.setAttribute("aria-busy", asking);
    }
    if (asking) say(_("Waiting for the microphone to be allowed."));
  }

  function record(stream) {
    const type = TYPES.find((candidate) => MediaRecorder.isTypeSupported(candidate));
    const recorder = new MediaRecorder(stream, type ? { mimeType: type } : {});
    const chunks = [];
    show("record");
    hint.textContent = usualHint;
    say(_("Recording…"));
    const meter = new LevelMeter(stream, form.querySelector("#level"), () => {
      clearTimeout(quiet);
      hint.textContent = usualHint;
    });
    const quiet = setTimeout(() => {
      hint.textContent = _(
        "No sound is arriving from the microphone. Is it muted, or is another one chosen in the system's settings?",
      );
      say(hint.textContent);
    }, QUIET_MS);
    const stopTimer = runTimer(form, say, () => finish({ keep: true }));

    let keep = false;
    finish = (wish) => {
      finish = null;
      keep = wish.keep;
      stopTimer();
      clearTimeout(quiet);
      meter.close();
      if (recorder.state === "inactive") done();
      else recorder.stop();
    };
    const done = () => {
      // Until the tracks are stopped the browser shows that the page listens.
      stream.getTracks().forEach((track) => track.stop());
      if (keep) keepRecording(chunks, recorder.mimeType || type);
      else {
        showChosen();
        say(_("Discarded."));
      }
    };
    recorder.addEventListener("dataavailable", ({ data }) => data.size && chunks.push(data));
    // Also comes when the microphone is unplugged: what was recorded until then is kept.
    recorder.addEventListener("stop", () => {
      if (finish) finish({ keep: true });
      else done();
    });
    recorder.start(1000);
  }

  function keepRecording(chunks, type) {
    const container = type.split(";")[0];
    const name = `recording.${EXTENSIONS[container] ?? "webm"}`;
    const file = new File(chunks, name, { type: container });
    if (!file.size) {
      show("choose");
      return tell(
        _("Nothing was recorded: the microphone ended at once. Try again; or choose a file."),
      );
    }
    take = { name: file.name, size: file.size, isSent: false };
    choose(file);
  }

  form.querySelector("#record").addEventListener("click", start);
  form.querySelector("#record-again").addEventListener("click", start);
  form.querySelector("#stop").addEventListener("click", () => finish?.({ keep: true }));
  form.querySelector("#discard").addEventListener("click", () => finish?.({ keep: false }));
  // It is there again when the user comes back.
  leaving(form, () => finish?.({ keep: true }));
  form.querySelector("#record").hidden = !("MediaRecorder" in window);

  const made = (file) => take !== null && file?.name === take.name && file.size === take.size;
  return {
    /** Whether this file is the recording made last. */
    made,
    /** Note that this file has reached the server, or that nothing came of it. */
    noteSent(file, isSent) {
      if (made(file)) take.isSent = isSent;
    },
    /** Whether this file is that recording and would be lost with the page. */
    isUnsent: (file) => made(file) && !take.isSent,
  };
}

/** Show the time and call back at the longest duration; returns what stops it. */
function runTimer(form, say, onEnd) {
  const longest_s = Number(form.dataset.maxDurationS);
  const timer = form.querySelector("#timer");
  const begun_ms = performance.now();
  let announced_s = 0;
  timer.textContent = clock(0);
  const interval = setInterval(() => {
    const passed_s = (performance.now() - begun_ms) / 1000;
    timer.textContent = clock(passed_s);
    if (passed_s - announced_s >= ANNOUNCE_EVERY_S) {
      announced_s += ANNOUNCE_EVERY_S;
      say(_("%(n)s seconds recorded.", { n: announced_s }));
    }
    // A little under the limit, because recorders round up.
    if (passed_s >= longest_s - 0.5) onEnd();
  }, 200);
  return () => clearInterval(interval);
}
