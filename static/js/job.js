// Follows a job: asks for its page again and again and shows what has changed.

import { leaving, returning, showPage } from "./pages.js";
import { readProblem, showProblem } from "./problem.js";
import { setUpResult } from "./result.js";
import { _ } from "./words.js";

// Often at first, seldom when it takes long: whoever waits for minutes is patient.
const FIRST_PAUSE_MS = 500;
const LONGER_EACH_TIME = 1.05;
const LONGEST_PAUSE_MS = 3000;
const LONGEST_WITHOUT_ANSWER_MS = 10_000;

/**
 * Keep the job's page in `main` up to date until the job is over; a single recording's result is
 * then shown instead. `file` is the recording where the browser still has it, and `onCancelled`
 * is called when the user has cancelled.
 */
export function followJob(main, { file, onCancelled } = {}) {
  const job = main.querySelector("[data-job]");
  const trouble = job.querySelector("[data-trouble]");
  let timer = null;
  let pause_ms = FIRST_PAUSE_MS;
  let isLeft = false;

  const tell = ({ message, original } = {}) => showProblem(trouble, message, original);

  async function look() {
    try {
      const page = await fetchPage(job.dataset.url);
      if (isLeft) return;
      tell();
      pause_ms = Math.min(LONGER_EACH_TIME * pause_ms, LONGEST_PAUSE_MS);
      await show(page);
    } catch (error) {
      if (isLeft) return;
      if (!(error instanceof NoAnswer)) throw error;
      tell(error);
      pause_ms = error.isFinal ? Infinity : Math.min(2 * pause_ms, LONGEST_WITHOUT_ANSWER_MS);
    }
    if (!isOver() && pause_ms !== Infinity && !isLeft) timer = setTimeout(look, pause_ms);
  }

  /** Put what has changed in its place; then, if there is one result, show that. */
  async function show(page) {
    const hadFocus = main.contains(document.activeElement);
    for (const part of page.querySelectorAll("[data-part]")) {
      const old = main.querySelector(`[data-part="${part.dataset.part}"]`);
      if (!old) continue;
      keepOpen(old, part);
      if (old.isEqualNode(part)) continue;
      // A live region is heard when its text changes, not when it is another one.
      if ("words" in part.dataset) old.textContent = part.textContent;
      else old.replaceWith(document.adoptNode(part));
    }
    document.title = page.title;
    if (hadFocus && !main.contains(document.activeElement)) main.querySelector("h1").focus();
    const { resultUrl } = page.querySelector("[data-job]").dataset;
    if (resultUrl) await showResult(resultUrl);
  }

  async function showResult(url) {
    const page = await fetchPage(url);
    if (isLeft) return;
    const result = showPage(page, url, { instead: true });
    setUpResult(result, file);
    result.querySelector("h1").focus({ preventScroll: true });
  }

  const state = () => main.querySelector("[data-part=head]").dataset.state;
  const isOver = () => !["queued", "running"].includes(state());

  main.addEventListener("submit", async (event) => {
    if (!event.target.matches("[data-cancel]")) return;
    event.preventDefault();
    try {
      const page = await fetchPage(event.target.action, { method: "POST" });
      if (isLeft) return;
      clearTimeout(timer);
      await show(page);
      if (state() === "cancelled") onCancelled?.();
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      tell(error);
    }
  });
  leaving(job, () => {
    isLeft = true;
    clearTimeout(timer);
  });
  returning(job, () => {
    isLeft = false;
    if (!isOver()) look();
  });
  if (!isOver()) timer = setTimeout(look, pause_ms);
}

/** What the user has unfolded stays so. */
function keepOpen(old, part) {
  const details = [...part.querySelectorAll("details")];
  [...old.querySelectorAll("details")].forEach((each, index) => {
    details[index]?.toggleAttribute("open", each.open);
  });
}

/** The message is for the user; what was final is not worth asking again. */
class NoAnswer extends Error {
  constructor(message, { original = "", isFinal = false } = {}) {
    super(message);
    this.original = original;
    this.isFinal = isFinal;
  }
}

async function fetchPage(url, options = {}) {
  let response;
  try {
    response = await fetch(url, { ...options, headers: { Accept: "text/html" } });
  } catch {
    throw new NoAnswer(
      navigator.onLine
        ? _(
            "Undertone does not answer just now. The recording is kept there, and this page goes on asking.",
          )
        : _(
            "This device is offline. The recording is safe with Undertone, and this page goes on asking.",
          ),
    );
  }
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (response.ok) return page;
  const { words, original } = readProblem(page);
  throw new NoAnswer(
    words ||
      _("An answer came that this page does not understand (status %(status)s).", {
        status: response.status,
      }),
    { original, isFinal: response.status === 404 },
  );
}
