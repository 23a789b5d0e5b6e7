// The form's states (choose, record, ready, sending) and what leads from one to the next.

import { size } from "./format.js";
import { findLength } from "./media.js";
import { leaving, showPage } from "./pages.js";
import { attachPlayer } from "./player.js";
import { setUpRecorder } from "./recorder.js";
import { upload, UploadCancelled, UploadFailed } from "./upload.js";

// What the keyboard is at when a state begins.
const FIRST_CONTROL = { choose: "#file", record: "#stop", ready: "#submit", sending: "#cancel" };

/** Returns {choose, tell}, for other ways in which a recording reaches the form. */
export function setUpForm(form) {
  const input = form.querySelector("#file");
  const recorder = setUpRecorder(form, { show, tell, say, choose, showChosen });
  let sending = null;
  // The label does the work of the browser's own control, which cannot be styled.
  form.classList.add("enhanced");
  form.querySelector("label[for=file]").classList.add("button", "primary");
  form.querySelector("#again").hidden = false;

  function show(state) {
    const focused = form.contains(document.activeElement) ? document.activeElement : null;
    form.dataset.state = state;
    for (const view of form.querySelectorAll("[data-view]")) {
      view.hidden = !view.dataset.view.split(" ").includes(state);
    }
    // A control that vanishes under the focus would send the keyboard to the top of the page.
    if (focused?.closest("[hidden]")) form.querySelector(FIRST_CONTROL[state]).focus();
  }

  /** Say a problem beside the form, or with no text that there is none. */
  function tell(text = "") {
    const problem = form.querySelector("#problem");
    problem.textContent = text;
    problem.hidden = !text;
    if (text) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
    if (text) problem.scrollIntoView({ block: "nearest" });
  }

  /** Tell a screen reader what happens. */
  function say(text) {
    form.querySelector("#status").textContent = text;
  }

  /** Fill the file input as if the user had chosen the file there. */
  function choose(file) {
    const transfer = new DataTransfer();
    transfer.items.add(file);
    input.files = transfer.files;
    showChosen();
  }

  /** Show what the file input holds: a recording that is ready, or the ways to choose one. */
  function showChosen() {
    const [file] = input.files;
    if (!file) return startOver();
    const refusal = whyNot(file, Number(form.dataset.maxBytes));
    if (refusal) {
      startOver();
      return tell(refusal);
    }
    tell();
    form.querySelector("#chosen-name").textContent = file.name;
    form.querySelector("#chosen-size").textContent = size(file.size);
    form.querySelector("#record-again").hidden = !recorder.made(file);
    preview(form, file);
    say(`${file.name}, ${size(file.size)}, is ready to be heard.`);
    show("ready");
  }

  function startOver() {
    input.value = "";
    preview(form, null);
    tell();
    say("");
    show("choose");
  }

  async function send() {
    const [file] = input.files;
    sending = new AbortController();
    tell();
    form.querySelector("#preview").pause();
    showProgress(form, 0, say);
    show("sending");
    try {
      await checkReadable(file);
      const { page, url } = await upload(form.action, new FormData(form), {
        onProgress: (share) => showProgress(form, share, say),
        signal: sending.signal,
      });
      show("ready");
      const main = showPage(page, url);
      attachPlayer(main, file);
      main.querySelector("h1").focus({ preventScroll: true });
    } catch (error) {
      show("ready");
      if (error instanceof UploadCancelled) say("Cancelled. The recording is still here.");
      else if (error instanceof UploadFailed) tell(error.message);
      else {
        tell("Something went wrong in this page. Load it again and choose the recording anew.");
        throw error;
      }
    } finally {
      sending = null;
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!sending) send();
  });
  form.querySelector("#cancel").addEventListener("click", () => sending?.abort());
  form.querySelector("#again").addEventListener("click", startOver);
  input.addEventListener("change", showChosen);
  leaving(form, () => {
    sending?.abort();
    form.querySelector("#preview").pause();
  });
  // Some browsers remember the chosen file when a page is loaded again.
  if (input.files.length) showChosen();
  else show("choose");
  return { choose, tell };
}

function whyNot(file, maxBytes) {
  if (file.size === 0) return `${file.name} is empty: there is nothing in it to hear.`;
  if (file.size <= maxBytes) return "";
  return (
    `${file.name} has ${size(file.size)}; at most ${size(maxBytes)} are accepted here. ` +
    "Cut the recording, or save it in a compressed format such as MP3."
  );
}

/** A file that was moved or changed since would look like a server that does not answer. */
async function checkReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new UploadFailed(
      `${file.name} can no longer be read: it was moved or changed. Choose it again.`,
    );
  }
}

/** Offer the recording for listening, where the browser can play it. */
function preview(form, file) {
  const audio = form.querySelector("#preview");
  const note = form.querySelector("#preview-note");
  if (audio.src) URL.revokeObjectURL(audio.src);
  audio.onerror = null;
  audio.removeAttribute("src");
  audio.hidden = false;
  note.hidden = true;
  if (!file) return audio.load();
  audio.onerror = () => {
    audio.hidden = true;
    note.hidden = false;
  };
  audio.onloadedmetadata = () => findLength(audio);
  audio.src = URL.createObjectURL(file);
}

/** How far sending is; once all is sent the server listens, for nobody knows how long. */
function showProgress(form, share, say) {
  const progress = form.querySelector("#progress");
  const words = form.querySelector("#sending-words");
  if (share < 1) {
    progress.value = share;
    words.textContent = "Sending…";
  } else {
    progress.removeAttribute("value");
    words.textContent = "Listening…";
  }
  // The live region hears of a change of stage, not of each per cent.
  const stage = share < 1 ? "Sending the recording." : "Listening to the voice.";
  if (form.querySelector("#status").textContent !== stage) say(stage);
}
