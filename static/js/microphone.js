// The microphone: opened on request, each refusal in words.

import { _ } from "./words.js";

const refusals = () => ({
  NotAllowedError: _(
    "The microphone was not allowed. Allow it for this page, at the left of the address bar or " +
      "in the browser's settings, and try again; or choose a file.",
  ),
  SecurityError: _(
    "The browser's settings forbid the microphone on this page. Choose a file instead.",
  ),
  NotFoundError: _("No microphone was found. Connect one and try again; or choose a file."),
  NotReadableError: _(
    "The microphone does not answer; another program may be using it. Close that one and try again.",
  ),
  OverconstrainedError: _(
    "This microphone cannot record what is needed. Try another; or choose a file.",
  ),
  AbortError: _("The microphone could not be started. Try again; or choose a file."),
});

/** The message is for the user. */
export class MicrophoneRefused extends Error {}

/** A MediaStream of the microphone. Throws MicrophoneRefused. */
export async function openMicrophone() {
  if (!isSecureContext) {
    throw new MicrophoneRefused(
      _(
        "Browsers give the microphone only to secure pages: this one was opened over plain http from " +
          "another machine. Open it on the machine that runs Undertone, or over https; or choose a file.",
      ),
    );
  }
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new MicrophoneRefused(
      _("This browser cannot use a microphone. Choose a file instead."),
    );
  }
  try {
    // Suppressing echo and noise also takes away breath and tremor, which carry emotion.
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: true };
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    throw new MicrophoneRefused(
      refusals()[error.name] ??
        _("The microphone could not be opened (%(name)s). Choose a file instead.", {
          name: error.name,
        }),
    );
  }
}
