// A result's page: sound for its waveform, and its address for the clipboard.

import { attachPlayer } from "./player.js";
import { _ } from "./words.js";

/** Wire up a result's page; `file` is the recording where the browser still has it. */
export function setUpResult(main, file = null) {
  attachPlayer(main, file);
  const button = main.querySelector("[data-copy-link]");
  // Browsers give the clipboard only to secure pages.
  if (!navigator.clipboard) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const said = main.querySelector("[data-copied]");
    try {
      await navigator.clipboard.writeText(location.href);
      said.textContent = _("The link is copied.");
    } catch {
      said.textContent = _("The browser did not allow that; copy the address above instead.");
    }
  });
}
