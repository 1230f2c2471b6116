/* One row of the table. */

import { byId, setAttribute, setIcon, setMeter, setText } from "./dom.js";
import { STATUS_WORDS, amount, hostOf, perSecond, timeLeft } from "./format.js";
import { isOver, isWaiting } from "./jobs.js";

const MOVES = { top: "Move to the top", up: "Move up", down: "Move down", bottom: "Move to the bottom" };

/** What the button that pauses does to `job`: its icon and its word; null if nothing. */
export function toggleOf(job) {
  if (job.status === "active" || job.status === "waiting") return ["pause", "Pause"];
  if (job.status === "paused") return ["resume", "Resume"];
  return job.status === "error" ? ["retry", "Retry"] : null;
}

/** What removing does to `job`: a word. */
export function removeOf(job) {
  return isOver(job) ? "Clear" : "Remove";
}

/** Let `chip` show the status of `job`. */
export function setChip(chip, job) {
  setText(chip, STATUS_WORDS[job.status] ?? job.status);
  setAttribute(chip, "data-status", job.status);
}

export class Row {
  constructor(job) {
    this.element = byId("row").content.firstElementChild.cloneNode(true);
    this.element.dataset.gid = job.gid;
    const part = (selector) => this.element.querySelector(selector);
    this.parts = { open: part(".open"), sub: part(".sub"), chip: part(".chip") };
    Object.assign(this.parts, { meter: part(".meter"), amount: part(".amount") });
    Object.assign(this.parts, { rate: part(".rate"), eta: part(".eta") });
    this.buttons = [...this.element.querySelectorAll(".acts button")];
  }

  /** Show how `job` stands, as the row `index` of those that are `height` pixels high. */
  show(job, index, height, current) {
    const { parts } = this;
    const name = nameOf(job);
    this.element.style.transform = `translateY(${index * height}px)`;
    setAttribute(this.element, "aria-rowindex", index + 2);
    setAttribute(this.element, "tabindex", current ? 0 : -1);
    setAttribute(this.element, "aria-label", `${name}, ${STATUS_WORDS[job.status]}, ${amount(job)}`);
    setAttribute(this.element, "data-status", job.status);
    setText(parts.open, name);
    setAttribute(parts.open, "aria-label", `Details of ${name}`);
    setAttribute(parts.open, "title", job.urls[0]);
    setText(parts.sub, job.message ?? job.troubles.at(-1)?.message ?? hostOf(job.urls[0]));
    setChip(parts.chip, job);
    setMeter(parts.meter, job);
    setAttribute(parts.meter, "aria-label", `Progress of ${name}`);
    setText(parts.amount, amount(job));
    setText(parts.rate, job.status === "active" ? perSecond(job.rate) : "");
    setText(parts.eta, timeLeft(job));
    for (const button of [parts.open, ...this.buttons]) {
      setAttribute(button, "tabindex", current ? 0 : -1);
    }
    this.buttons.forEach((button) => showButton(button, job, name));
  }
}

/** The name of `job`, or what stands for it. */
export function nameOf(job) {
  return job.name || hostOf(job.urls[0]) || job.gid;
}

function showButton(button, job, name) {
  const { act } = button.dataset;
  let shown = true;
  if (act === "toggle") {
    const toggle = toggleOf(job);
    shown = toggle !== null;
    if (toggle) setIcon(button, toggle[0], toggle[1], `${toggle[1]} ${name}`);
  } else if (act === "remove") {
    setIcon(button, "remove", removeOf(job), `${removeOf(job)} ${name}`);
  } else {
    shown = isWaiting(job);
    setIcon(button, act, MOVES[act], `${MOVES[act]}: ${name}`);
  }
  button.classList.toggle("absent", !shown);
}
