// Changes from page to page without loading, so that the recording stays in the browser.

const LEAVE = "undertone:leave";
const RETURN = "undertone:return";
const kept = new Map(); // path -> {main, nav, title}, for the back and forward buttons
let shownPath = location.pathname;

/** Show a parsed page under its address, or instead of the last one; returns its main part. */
export function showPage(page, url, { instead = false } = {}) {
  const { main, nav, title } = parts(page);
  swap({ main: document.adoptNode(main), nav: document.adoptNode(nav), title });
  if (instead) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  shownPath = location.pathname;
  scrollTo(0, 0);
  return main;
}

/** Show the same page in another language, from its header to its footer. */
export function translatePage(page, url) {
  document.querySelector("main").dispatchEvent(new Event(LEAVE));
  kept.clear(); // they are in the language that was left
  for (const part of ["header", "main", "footer"]) {
    document.querySelector(`body > ${part}`).replaceWith(page.querySelector(`body > ${part}`));
  }
  document.title = page.title;
  document.documentElement.lang = page.documentElement.lang;
  document.documentElement.dir = page.documentElement.dir;
  document.body.dataset.translations = page.body.dataset.translations ?? "{}";
  document.querySelector(".skip").textContent = page.querySelector(".skip").textContent;
  history.replaceState(null, "", url);
}

/** Call back when the page that holds this element is left. */
export function leaving(element, callback) {
  element.closest("main").addEventListener(LEAVE, callback);
}

/** Call back when the page that holds this element is shown again. */
export function returning(element, callback) {
  element.closest("main").addEventListener(RETURN, callback);
}

function parts(page) {
  return {
    main: page.querySelector("main"),
    nav: page.querySelector("header nav"),
    title: page.title,
  };
}

function swap({ main, nav, title }) {
  const old = parts(document);
  old.main.dispatchEvent(new Event(LEAVE));
  kept.set(shownPath, old);
  old.main.replaceWith(main);
  old.nav.replaceWith(nav);
  document.title = title;
}

addEventListener("popstate", () => {
  if (location.pathname === shownPath) return; // only the part after # has changed
  const page = kept.get(location.pathname);
  if (!page) return location.reload();
  swap(page);
  shownPath = location.pathname;
  page.main.focus({ preventScroll: true });
  page.main.dispatchEvent(new Event(RETURN));
});
