"""Text that sticks out of its box, out of a drawing or out of the page."""

from playwright.sync_api import Page

# A text may reach over its box by the side bearings of its letters, not by a letter.
_FIND = """
() => {
  const SLACK_PX = 2;
  const OUTDENT = 0.06; // of the size of large letters, to the left of the column
  const found = new Set();
  const short = (text) => text.trim().replace(/\\s+/g, " ").slice(0, 40);
  const scrolls = (element) => /auto|scroll/.test(getComputedStyle(element).overflowX);
  const isSeen = (element) => element.checkVisibility() && !element.closest(".unseen, .skip");
  const boxOf = (element) => {
    let box = element;
    while (getComputedStyle(box).display.startsWith("inline") &&
           !getComputedStyle(box).display.startsWith("inline-")) box = box.parentElement;
    return box;
  };
  const complain = (what, text, by) =>
    found.add(`${what}: "${short(text)}" by ${by.toFixed(0)} px`);

  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !isSeen(element) || element.closest("option, script")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = element.closest("svg") ?? boxOf(element);
    for (const rect of range.getClientRects()) {
      // Up to whatever scrolls: what lies outside of that can be reached.
      for (let outer = box; outer && outer !== document.body; outer = outer.parentElement) {
        if (scrolls(outer)) break;
        const { left, right } = outer.getBoundingClientRect();
        const style = getComputedStyle(outer);
        const [start, end] = [style.paddingLeft, style.paddingRight].map(parseFloat);
        // A panel's padding is its edge; of other boxes it is room for more.
        const isPanel = outer.matches(".panel, .chart-card, .filter");
        const outdent = OUTDENT * parseFloat(getComputedStyle(element).fontSize);
        const by = Math.max(left + (isPanel ? start : 0) - rect.left - outdent,
                            rect.right - right + (isPanel ? end : 0));
        if (by <= SLACK_PX) continue;
        complain(outer.tagName + "." + outer.className, node.data, by);
        break; // what is around it follows from it
      }
      const page = document.documentElement.clientWidth;
      const inScroller = (() => {
        for (let e = element; e; e = e.parentElement) if (scrolls(e)) return true;
        return false;
      })();
      if (!inScroller && (rect.right > page + 0.5 || rect.left < -0.5)) {
        complain("page", node.data, Math.max(rect.right - page, -rect.left));
      }
    }
  }
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) complain("page", "scrolls sideways", scrollWidth - clientWidth);
  return [...found];
}
"""


def overflows(page: Page) -> list[str]:
    """Describe each text that sticks out of a box around it; empty if none does."""
    found: list[str] = page.evaluate(_FIND)
    return found
