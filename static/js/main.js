// Wires up whatever the page holds; each part lives in a module of its own.

import { setUpDrop } from "./drop.js";
import { setUpForm } from "./form.js";
import { followJob } from "./job.js";
import { attachPlayer } from "./player.js";

const form = document.querySelector("#recording-form");
if (form) setUpDrop(form, setUpForm(form));
if (document.querySelector("[data-job]")) followJob(document.querySelector("main"));
if (document.querySelector("[data-player]")) attachPlayer(document);
