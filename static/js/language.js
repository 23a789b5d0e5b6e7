// The language links: they lead to the page that is shown now, with its query, and keep the files that
// are chosen in the form but not sent.

import { askBeforeLeaving } from "./leaving_guard.js";
import { translatePage } from "./pages.js";
import { readWords } from "./words.js";

/** `wire` sets up a page's parts anew after they were exchanged. */
export function setUpLanguages(wire) {
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[hreflang]");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const url = addressIn(link);
    const form = document.querySelector("#recording-form[data-state=ready]");
    if (!form || !(await translate(form, url, wire))) return location.assign(url);
    document.querySelector(`a[hreflang="${link.hreflang}"]`).focus();
  });
}

/** The address of what is shown now; a page that answers a form has none, and its links say so. */
function addressIn(link) {
  if (!link.getAttribute("href").startsWith("?")) return link.href;
  const url = new URL(location.href);
  url.searchParams.set("lang", link.hreflang);
  return url.href;
}

/** Show the form's page in the other language, with what is chosen; whether that was possible. */
async function translate(form, url, wire) {
  let page;
  try {
    const response = await fetch(url, { headers: { Accept: "text/html" } });
    page = new DOMParser().parseFromString(await response.text(), "text/html");
  } catch {
    return false;
  }
  const translated = page.querySelector("#recording-form");
  if (!translated || form.dataset.state !== "ready") return false;
  translatePage(page, url);
  readWords();
  document.querySelector("#file").files = form.querySelector("#file").files;
  const model = form.querySelector("#model");
  if (model) document.querySelector("#model").value = model.value;
  askBeforeLeaving(false);
  wire();
  return true;
}
