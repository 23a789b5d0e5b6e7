// The page's language: the server puts the words that scripts need into <body data-translations>. English
// is in the scripts themselves, where `make messages` finds it by these two names.

let words = {};

/** Read the page's words; again when the page is now in another language. */
export function readWords() {
  words = JSON.parse(document.body.dataset.translations ?? "{}");
}

readWords();

/** A text in the page's language, with %(name)s filled in from `values`. */
export function _(text, values = {}) {
  return fill(words[text] ?? text, values);
}

/** The same for one or several; `values.n` is their number. */
export function ngettext(singular, plural, values) {
  const forms = words[singular] ?? [singular, plural];
  return fill(forms[values.n === 1 ? 0 : 1], values);
}

/** An error as the server tells it to programs: words for people from [data-errors], and its own. */
export function ofError({ code, error }) {
  const told = document.querySelector("[data-errors]")?.dataset.errors;
  const errors = JSON.parse(told ?? "{}");
  const words = errors[code] ?? errors[""];
  return words ? { words, original: error } : { words: error, original: "" };
}

function fill(text, values) {
  return text.replace(/%\((\w+)\)s/g, (_match, name) => values[name]);
}
