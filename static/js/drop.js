// Drag and drop: the whole page takes a recording while the form waits for one.

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
    if (dropped.length > 1) {
      tell(`${dropped.length} files were dropped; one can be heard at a time. Drop a single one.`);
    } else if (!dropped.length || dropped[0].webkitGetAsEntry()?.isDirectory) {
      tell("What was dropped is not a file. Drop a single audio file.");
    } else {
      choose(dropped[0].getAsFile());
    }
  });
}
