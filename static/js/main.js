// Wires up whatever the page holds; each part lives in a module of its own.

import { setUpComparing } from "./comparing.js";
import { setUpDrop } from "./drop.js";
import { setUpForm } from "./form.js";
import { followJob } from "./job.js";
import { setUpLanguages } from "./language.js";
import { setUpResult } from "./result.js";

function wire() {
  const form = document.querySelector("#recording-form");
  if (form) setUpDrop(form, setUpForm(form));
  if (document.querySelector("[data-job]")) followJob(document.querySelector("main"));
  if (document.querySelector("[data-result]")) setUpResult(document.querySelector("main"));
  const comparing = document.querySelector("[data-compare]");
  if (comparing) setUpComparing(comparing);
}

wire();
setUpLanguages(wire);
