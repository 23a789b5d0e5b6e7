// What went wrong, in everyday words; behind them the server's own message, which is exact and English.

import { _ } from "./words.js";

/** What an answer's page says was wrong; both are empty where it says nothing. */
export function readProblem(page) {
  return partsOf(page?.querySelector("#problem, .error-page .lead"));
}

/** Say a problem in its place on the page, or without words that there is none. */
export function showProblem(element, words = "", original = "") {
  element.hidden = !words;
  // A live region is heard when it changes.
  const shown = partsOf(element);
  if (shown.words === words && shown.original === original) return;
  element.textContent = words;
  if (!original) return;
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  const message = document.createElement("span");
  details.className = "original";
  summary.textContent = _("Technical details");
  message.lang = "en";
  message.textContent = original;
  details.append(summary, message);
  element.append(" ", details);
}

function partsOf(element) {
  const told = element?.cloneNode(true);
  const original = told?.querySelector(".original [lang]")?.textContent.trim() ?? "";
  told?.querySelector(".original")?.remove();
  return { words: told?.textContent.trim() ?? "", original };
}
