// Where one button takes the place of another, the second tap of a double tap is meant for the first.

// Systems take two taps for one double tap up to half a second apart.
const SECOND_TAP_MS = 500;

/**
 * Guard the buttons in `root`. Returns a function to call when they are exchanged; its argument is
 * the one that gets the keyboard's focus. That one ignores second taps, all others wait.
 */
export function guardSecondTaps(root) {
  let exchanged_ms = -Infinity;
  let timer = null;
  const isFresh = () => performance.now() - exchanged_ms < SECOND_TAP_MS;

  root.addEventListener(
    "click",
    (event) => {
      if (event.detail < 2 || !isFresh()) return;
      event.preventDefault();
      event.stopPropagation();
    },
    { capture: true },
  );
  // A key that is held down presses one button, not the next one too.
  root.addEventListener("keydown", (event) => {
    if (event.repeat && event.key === "Enter" && event.target.closest("button")) {
      event.preventDefault();
    }
  });

  return (first) => {
    exchanged_ms = performance.now();
    clearTimeout(timer);
    const buttons = [...root.querySelectorAll("button")];
    for (const button of buttons) button.disabled = button !== first;
    timer = setTimeout(() => {
      for (const button of buttons) button.disabled = false;
    }, SECOND_TAP_MS);
  };
}
