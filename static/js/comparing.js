// The history's ticks: two recordings at a time can be compared.

import { _ } from "./words.js";

export function setUpComparing(form) {
  const words = form.querySelector("[data-compare-words]");
  const ticks = [...document.querySelectorAll(`input[form=${form.getAttribute("id")}]`)];
  const ticked = () => ticks.filter((tick) => tick.checked);

  function show() {
    const n = ticked().length;
    for (const tick of ticks) tick.disabled = n >= 2 && !tick.checked;
    words.textContent = n === 1 ? _("Tick one more.") : "";
  }

  form.addEventListener("submit", (event) => {
    if (ticked().length === 2) return;
    event.preventDefault();
    words.textContent = _("Tick two recordings in the list.");
  });
  for (const tick of ticks) tick.addEventListener("change", show);
  // Also when the browser comes back to the page and remembers the ticks.
  addEventListener("pageshow", show);
  show();
}
