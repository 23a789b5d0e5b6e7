// The live page: what Start and Stop do.

import { LiveMicrophone } from "./live_microphone.js";
import { LivePicture } from "./live_picture.js";
import { LiveSession } from "./live_session.js";
import { MicrophoneRefused } from "./microphone.js";
import { showProblem } from "./problem.js";
import { guardSecondTaps } from "./second_tap.js";
import { _ } from "./words.js";

// A screen reader hears of a change, but not of each.
const SAY_EVERY_MS = 4000;

function setUpLive(root) {
  const find = (name) => root.querySelector(`[data-${name}]`);
  const picture = new LivePicture(root);
  const exchanged = guardSecondTaps(root);
  let microphone = null;
  let session = null;
  let said = { emotion: null, at_ms: 0 };

  function show(state) {
    const isOn = state !== "off";
    if (isOn !== (root.dataset.state !== "off")) exchanged(find(isOn ? "stop" : "start"));
    root.dataset.state = state;
    const hadFocus = [find("start"), find("stop")].includes(document.activeElement);
    find("start").hidden = isOn;
    find("stop").hidden = !isOn;
    if (find("model")) find("model").disabled = isOn;
    if (hadFocus) find(isOn ? "stop" : "start").focus();
  }

  const say = (text) => (find("status").textContent = text);

  async function start() {
    showProblem(find("problem"));
    show("asking");
    picture.clear();
    picture.words(_("Waiting for the microphone to be allowed."), "…");
    try {
      const opened = await LiveMicrophone.open(root.dataset.worklet, {
        onPiece: (piece) => session?.send(piece),
        onEnd: () => stop(_("The microphone was unplugged.")),
      });
      if (root.dataset.state === "off") return opened.close(); // stopped meanwhile
      microphone = opened;
    } catch (error) {
      stop(
        error instanceof MicrophoneRefused
          ? error.message
          : _("This browser cannot listen live. Send a recording instead."),
      );
      if (!(error instanceof MicrophoneRefused)) throw error;
      return;
    }
    connect();
  }

  function connect() {
    const url = new URL(root.dataset.socket, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const hello = { type: "hello", rate: microphone.rate, format: "int16", labels: 7 };
    if (find("model")) hello.model = find("model").value;
    picture.words(_("Connecting"), "…");
    session = new LiveSession(url, hello, {
      onReady() {
        show("on");
        picture.words(_("Listening"), "…");
        say(_("Listening."));
      },
      onWait() {
        show("waiting");
        picture.words(_("The connection is lost; trying again"), "…");
        say(_("The connection is lost; trying again."));
      },
      onRefused: stop,
      onAnswer(answer) {
        picture.answer(answer);
        announce(answer);
      },
    });
  }

  function announce({ emotion = null, uncertain }) {
    if (emotion === said.emotion || uncertain || performance.now() - said.at_ms < SAY_EVERY_MS) {
      return;
    }
    said = { emotion, at_ms: performance.now() };
    if (emotion) say(picture.bars.get(emotion).dataset.title);
  }

  function stop(problem = "", original = "") {
    session?.close();
    microphone?.close();
    session = microphone = null;
    picture.words(_("The microphone is off"), _("Ready"));
    show("off");
    showProblem(find("problem"), problem, original);
    if (!problem) say(_("Stopped. The microphone is off."));
  }

  find("start").addEventListener("click", start);
  find("stop").addEventListener("click", () => stop());
  addEventListener("pagehide", () => session && stop());
  find("start").hidden = false;
}

setUpLive(document.querySelector("[data-live]"));
