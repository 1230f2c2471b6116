/* The document, a little shorter. What comes from outside becomes text here, and never markup. */

import { portion } from "./format.js";

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

/** Let the bar `meter` show how far `job` is. There is none for one that has not begun. */
export function setMeter(meter, job) {
  const done = portion(job);
  meter.hidden = done === null && job.status !== "active";
  setAttribute(meter, "aria-valuenow", done === null ? null : Math.floor(done * 100));
  meter.firstElementChild.style.transform = `scaleX(${done ?? 0})`;
}

/** Let the buttons of `dialog` that are marked so close it, and a click beside it. */
export function closable(dialog) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
  });
}
