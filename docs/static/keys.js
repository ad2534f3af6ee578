// Keys scroll a part that is wider than its place; the captions of the contents are headings of a level.

function reach() {
  for (const part of document.querySelectorAll("article pre, article p, article div"))
    if (part.scrollWidth > part.clientWidth && /auto|scroll/.test(getComputedStyle(part).overflowX)) part.tabIndex = 0;
}

document.addEventListener("DOMContentLoaded", () => {
  for (const caption of document.querySelectorAll("[role=heading]:not([aria-level])")) caption.ariaLevel = "2";
  reach();
});
addEventListener("load", reach);
addEventListener("resize", reach);
