// What went wrong: in the page's language, and where the server told it, its own English words behind.

/** What an answer's page says was wrong; both are empty where it says nothing. */
export function readProblem(page) {
  const told = page?.querySelector("#problem, .error-page .lead")?.cloneNode(true);
  const original = told?.querySelector(".original");
  original?.remove();
  return { words: told?.textContent.trim() ?? "", original: original?.textContent.trim() ?? "" };
}

/** Say a problem in its place on the page, or without words that there is none. */
export function showProblem(element, words = "", original = "") {
  element.hidden = !words;
  // A live region is heard when it changes.
  if (element.textContent === [words, original].filter(Boolean).join(" ")) return;
  element.textContent = words;
  if (!original) return;
  const detail = document.createElement("span");
  detail.className = "original";
  detail.lang = "en";
  detail.textContent = original;
  element.append(" ", detail);
}
