// The page's language: the server puts the words that scripts need into <body data-translations>. English
// is in the scripts themselves, where `make messages` finds it by these two names.

const words = JSON.parse(document.body.dataset.translations ?? "{}");

/** A text in the page's language, with %(name)s filled in from `values`. */
export function _(text, values = {}) {
  return fill(words[text] ?? text, values);
}

/** The same for one or several; `values.n` is their number. */
export function ngettext(singular, plural, values) {
  const forms = words[singular] ?? [singular, plural];
  return fill(forms[values.n === 1 ? 0 : 1], values);
}

function fill(text, values) {
  return text.replace(/%\((\w+)\)s/g, (_match, name) => values[name]);
}
