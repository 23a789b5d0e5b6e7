// Asks before the page is left while it holds something that would be lost with it.

const ask = (event) => {
  event.preventDefault();
  event.returnValue = true; // for browsers that do not go by preventDefault
};

/** Ask from now on, or no longer; without the listener browsers can keep the page for the way back. */
export function askBeforeLeaving(wanted) {
  if (wanted) addEventListener("beforeunload", ask);
  else removeEventListener("beforeunload", ask);
}
