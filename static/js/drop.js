// Drag and drop: the whole page takes recordings while the form waits for them.

import { _ } from "./words.js";

export function setUpDrop(form, { choose, tell }) {
  const veil = document.querySelector("#drop-veil");
  let depth = 0; // dragenter and dragleave come for each element on the way

  // Not while recording or sending, nor after the form's page was left.
  const waiting = () => form.isConnected && ["choose", "ready"].includes(form.dataset.state);

  addEventListener("dragenter", (event) => {
    if (!waiting()) return;
    event.preventDefault();
    depth += 1;
    veil.hidden = false;
  });
  addEventListener("dragover", (event) => {
    if (waiting()) event.preventDefault();
  });
  addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (!depth) veil.hidden = true;
  });
  addEventListener("drop", (event) => {
    depth = 0;
    veil.hidden = true;
    if (!waiting()) return;
    event.preventDefault();
    const dropped = [...event.dataTransfer.items].filter((item) => item.kind === "file");
    const isFolder = (item) => Boolean(item.webkitGetAsEntry()?.isDirectory);
    const folders = dropped.filter(isFolder).map((item) => item.webkitGetAsEntry().name);
    const files = dropped.filter((item) => !isFolder(item)).map((item) => item.getAsFile());
    if (files.length) choose(...files);
    else tell(_("What was dropped is not a file. Drop one audio file, or several."));
    if (files.length && folders.length) {
      tell(_("%(name)s is a folder and was left out.", { name: folders.join(", ") }));
    }
  });
}
