// Changes from page to page without loading, so that the recording stays in the browser.

const LEAVE = "undertone:leave";
const RETURN = "undertone:return";
const kept = new Map(); // path -> {main, title}, for the back and forward buttons
let shownPath = location.pathname;

/** Show the main part of a parsed page under its address, or instead of the last one; returns it. */
export function showPage(page, url, { instead = false } = {}) {
  const main = page.querySelector("main");
  swap(document.adoptNode(main), page.title);
  if (instead) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  shownPath = location.pathname;
  scrollTo(0, 0);
  return main;
}

/** Call back when the page that holds this element is left. */
export function leaving(element, callback) {
  element.closest("main").addEventListener(LEAVE, callback);
}

/** Call back when the page that holds this element is shown again. */
export function returning(element, callback) {
  element.closest("main").addEventListener(RETURN, callback);
}

function swap(main, title) {
  const old = document.querySelector("main");
  old.dispatchEvent(new Event(LEAVE));
  kept.set(shownPath, { main: old, title: document.title });
  old.replaceWith(main);
  document.title = title;
}

addEventListener("popstate", () => {
  if (location.pathname === shownPath) return; // only the part after # has changed
  const page = kept.get(location.pathname);
  if (!page) return location.reload();
  swap(page.main, page.title);
  shownPath = location.pathname;
  page.main.focus({ preventScroll: true });
  page.main.dispatchEvent(new Event(RETURN));
});
