/* The document, a little shorter. What comes from outside becomes text here, and never markup. */

const SVG = "http://www.w3.org/2000/svg";

/** The element with this id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Let `element` say `text`. What says it already is not touched, nor read out again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Let the attribute `name` of `element` be `value`; null takes it away. */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/** A new element that says `text`. */
export function made(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

/** Show the icon `name` in `button`, and say what it does to screen readers and on hover. */
export function setIcon(button, name, title, label) {
  setAttribute(button.querySelector("use"), "href", `#i-${name}`);
  setAttribute(button, "title", title);
  setAttribute(button, "aria-label", label);
}

/** Let the bar `meter` show `portion`, from 0 to 1; null is not known. */
export function setMeter(meter, portion) {
  const percent = portion === null ? null : Math.floor(portion * 100);
  setAttribute(meter, "aria-valuenow", percent);
  meter.firstElementChild.style.transform = `scaleX(${portion ?? 0})`;
}

/** An icon alone. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/** Let the buttons of `dialog` that are marked so close it, and a click beside it. */
export function closable(dialog) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
  });
}
