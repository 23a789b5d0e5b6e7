// What browsers leave undone with their own recordings.

/** MediaRecorder's files do not say how long they are; a look at the end makes the browser know. */
export function findLength(audio) {
  if (audio.duration !== Infinity) return;
  audio.addEventListener("seeked", () => (audio.currentTime = 0), { once: true });
  audio.currentTime = Number.MAX_SAFE_INTEGER;
}
