// The form's states (choose, record, ready, sending) and what leads from one to the next.

import { size } from "./format.js";
import { followJob } from "./job.js";
import { askBeforeLeaving } from "./leaving_guard.js";
import { findLength } from "./media.js";
import { leaving, returning, showPage } from "./pages.js";
import { showProblem } from "./problem.js";
import { setUpRecorder } from "./recorder.js";
import { setUpResult } from "./result.js";
import { guardSecondTaps } from "./second_tap.js";
import { upload, UploadCancelled, UploadFailed } from "./upload.js";
import { _ } from "./words.js";

// What takes longer than anybody wants to stare at the page becomes a job, with progress. Where the
// browser cannot tell how long a recording is, its size has to do.
const LONG_S = 60;
const LARGE_BYTES = 2 * 1024 * 1024;
// What the keyboard is at when a state begins.
const FIRST_CONTROL = { choose: "#file", record: "#stop", ready: "#submit", sending: "#cancel" };

/** Returns {choose, tell}, for other ways in which a recording reaches the form. */
export function setUpForm(form) {
  const input = form.querySelector("#file");
  const recorder = setUpRecorder(form, { show, tell, say, choose, showChosen });
  const exchanged = guardSecondTaps(form);
  let sending = null;
  form.querySelector("#again").hidden = false;

  function show(state) {
    const focused = form.contains(document.activeElement) ? document.activeElement : null;
    const first = form.querySelector(FIRST_CONTROL[state]);
    if (form.dataset.state && form.dataset.state !== state) exchanged(first);
    form.dataset.state = state;
    for (const view of form.querySelectorAll("[data-view]")) {
      view.hidden = !view.dataset.view.split(" ").includes(state);
    }
    // A control that vanishes under the focus would send the keyboard to the top of the page.
    if (focused?.closest("[hidden]")) first.focus();
    guard();
  }

  /** Ask before the page is left exactly while a take would be lost. */
  function guard() {
    askBeforeLeaving(form.dataset.state === "record" || recorder.isUnsent(input.files[0]));
  }

  /** Say a problem beside the form, or with no text that there is none. */
  function tell(text = "", original = "") {
    const problem = form.querySelector("#problem");
    showProblem(problem, text, original);
    if (text) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
    if (text) problem.scrollIntoView({ block: "nearest" });
  }

  /** Tell a screen reader what happens. */
  function say(text) {
    form.querySelector("#status").textContent = text;
  }

  /** Fill the file input as if the user had chosen the files there. */
  function choose(...files) {
    fill(files);
    showChosen();
  }

  function fill(files) {
    const transfer = new DataTransfer();
    for (const file of files) transfer.items.add(file);
    input.files = transfer.files;
  }

  /** Show what the file input holds: recordings that are ready, or the ways to choose some. */
  function showChosen() {
    const chosen = [...input.files];
    if (!chosen.length) return startOver();
    const refusals = new Map(chosen.map((file) => [file, whyNotOne(file, form.dataset)]));
    const files = chosen.filter((file) => !refusals.get(file));
    const refused = [...refusals.values()].filter(Boolean);
    const refusal = files.length ? whyNotAll(files, form.dataset) : refused.slice(0, 3).join(" ");
    if (refusal) {
      startOver();
      return tell(refusal);
    }
    if (refused.length) fill(files);
    tell(refused.length ? withoutThem(refused) : "");
    list(form, refusals);
    const name = files.length === 1 ? files[0].name : _("%(n)s recordings", { n: files.length });
    const bytes = size(sum(files));
    form.querySelector("#chosen-name").textContent = name;
    form.querySelector("#chosen-size").textContent = bytes;
    form.querySelector("#record-again").hidden = !recorder.made(files[0]);
    preview(form, files.length === 1 ? files[0] : null);
    say(_("Ready to be heard: %(name)s, %(bytes)s.", { name, bytes }));
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
    const files = [...input.files];
    const isJob = files.length > 1 || isLong(files[0], form.querySelector("#preview").duration);
    sending = new AbortController();
    tell();
    form.querySelector("#preview").pause();
    showProgress(form, 0, say);
    show("sending");
    try {
      await keepReadable(files);
      const target = isJob ? form.dataset.jobsUrl : form.action;
      const { page, url } = await upload(target, new FormData(form), {
        onProgress: (share) => showProgress(form, share, say),
        signal: sending.signal,
      });
      show("ready");
      noteSent(files, true);
      const main = showPage(page, url);
      if (isJob) follow(main, files);
      else setUpResult(main, files[0]);
      main.querySelector("h1").focus({ preventScroll: true });
    } catch (error) {
      show("ready");
      if (error instanceof UploadCancelled) say(_("Cancelled. The recording is still here."));
      else if (error instanceof UploadFailed) tell(error.message, error.original);
      else {
        tell(_("Something went wrong in this page. Load it again and choose the recording anew."));
        throw error;
      }
    } finally {
      sending = null;
    }
  }

  /** Show how far a job is; one recording that is cancelled is still here to send again. */
  function follow(main, files) {
    if (files.length > 1) return followJob(main);
    followJob(main, {
      file: files[0],
      onCancelled() {
        noteSent(files, false);
        history.back();
        say(_("Cancelled. The recording is still here."));
      },
    });
  }

  function noteSent([file], isSent) {
    recorder.noteSent(file, isSent);
    guard();
  }

  /** A file that was moved or changed since would look like a server that does not answer. */
  async function keepReadable(files) {
    const readable = await Promise.all(files.map(isReadable));
    const lost = files.filter((_file, index) => !readable[index]);
    if (!lost.length) return;
    const left = files.filter((_file, index) => readable[index]);
    if (left.length) choose(...left);
    const name = lost.map((file) => file.name).join(", ");
    throw new UploadFailed(
      _("%(name)s can no longer be read: it was moved or changed. Choose it again.", { name }) +
        (left.length ? " " + _("The others are ready to be sent.") : ""),
    );
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
  // What was tapped last is on the page that was shown before.
  returning(form, () => exchanged(form.querySelector(FIRST_CONTROL[form.dataset.state])));
  // Some browsers remember the chosen file when a page is loaded again.
  if (input.files.length) showChosen();
  else show("choose");
  return { choose, tell };
}

function whyNotOne(file, { maxBytes }) {
  if (file.size === 0) {
    return _("%(name)s is empty: there is nothing in it to hear.", { name: file.name });
  }
  if (file.size > maxBytes) {
    return _(
      "%(name)s has %(bytes)s; at most %(most)s are accepted here. " +
        "Cut the recording, or save it in a compressed format such as MP3.",
      { name: file.name, bytes: size(file.size), most: size(maxBytes) },
    );
  }
  return "";
}

/** What is said of files that are left out; the list says it of each. */
function withoutThem(refusals) {
  const [first] = refusals;
  const many = _("%(n)s recordings cannot be sent; the list says why.", { n: refusals.length });
  const said = refusals.length > 1 ? many : first;
  return `${said} ${_("The others are ready to be sent.")}`;
}

/** List what was chosen, where that is more than one file; `refusals` says why not, or nothing. */
function list(form, refusals) {
  const place = form.querySelector("#chosen-list");
  place.hidden = refusals.size < 2;
  place.firstElementChild.replaceChildren(
    ...[...refusals].map(([file, refusal]) => {
      const line = document.createElement("li");
      const name = document.createElement("bdi");
      const words = document.createElement("span");
      name.textContent = file.name;
      words.className = "chosen-size";
      words.textContent = refusal ? _("Not sent. %(why)s", { why: refusal }) : size(file.size);
      line.classList.toggle("refused", Boolean(refusal));
      line.append(name, " ", words);
      return line;
    }),
  );
}

function whyNotAll(files, { maxFiles, maxJobBytes }) {
  if (files.length > maxFiles) {
    return _("%(n)s recordings were chosen; at most %(most)s are accepted at once.", {
      n: files.length,
      most: maxFiles,
    });
  }
  if (files.length > 1 && sum(files) > maxJobBytes) {
    return _(
      "The recordings have %(bytes)s together; at most %(most)s are accepted at once. " +
        "Send them in several parts.",
      { bytes: size(sum(files)), most: size(maxJobBytes) },
    );
  }
  return "";
}

const sum = (files) => files.reduce((bytes, file) => bytes + file.size, 0);

function isLong(file, duration_s) {
  return Number.isFinite(duration_s) ? duration_s >= LONG_S : file.size >= LARGE_BYTES;
}

async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

/** Offer the recording for listening, where there is one and the browser can play it. */
function preview(form, file) {
  const audio = form.querySelector("#preview");
  const note = form.querySelector("#preview-note");
  if (audio.src) URL.revokeObjectURL(audio.src);
  audio.onerror = null;
  audio.removeAttribute("src");
  audio.hidden = !file;
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
    words.textContent = _("Sending…");
  } else {
    progress.removeAttribute("value");
    words.textContent = _("Listening…");
  }
  // The live region hears of a change of stage, not of each per cent.
  const stage = share < 1 ? _("Sending the recording.") : _("Listening to the voice.");
  if (form.querySelector("#status").textContent !== stage) say(stage);
}
