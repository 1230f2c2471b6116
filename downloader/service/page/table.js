/* The table of jobs, of which only the rows in sight are in the document.

   A queue may have a hundred thousand jobs, and a browser is slow with a tenth of that in rows: to
   make, to lay out and to go through when one changes. So all rows are equally high, the body is as
   high as all of them, and those in sight, with some beyond, are placed in it. Changes only mark
   the table; it is drawn once a frame, whatever came meanwhile. A row stays the same element while
   it is in sight, and also out of sight while it has the focus, so that nothing a user holds is
   taken away. `aria-rowcount` and `aria-rowindex` tell screen readers of the rest.

   One row is in the tab order, with its buttons; the arrow keys choose which (the grid pattern of
   the ARIA Authoring Practices). */

import { byId, setAttribute } from "./dom.js";
import { Row } from "./row.js";

const BEYOND = 8; // rows above and below what is in sight
const VERBS = { ArrowUp: "up", ArrowDown: "down", Home: "top", End: "bottom" };

export class Table {
  #jobs = [];
  #rows = new Map(); // by gid
  #current = null; // the gid of the row in the tab order
  #index = 0; // where it was
  #marked = false;

  /** `act(verb, job)` is called for what a user does to a row. */
  constructor(act) {
    this.act = act;
    this.grid = byId("table");
    this.body = byId("rows");
    this.body.addEventListener("click", (event) => this.#clicked(event));
    this.body.addEventListener("keydown", (event) => this.#pressed(event));
    this.body.addEventListener("focusin", (event) => this.#focused(event));
    addEventListener("scroll", () => this.mark(), { passive: true });
    addEventListener("resize", () => this.mark());
  }

  /** Show these jobs, in this order. */
  show(jobs) {
    this.#jobs = jobs;
    this.mark();
  }

  /** Draw in the next frame: something has changed. */
  mark() {
    if (this.#marked) return;
    this.#marked = true;
    requestAnimationFrame(() => {
      this.#marked = false;
      this.#draw();
    });
  }

  #draw() {
    const held = this.body.contains(document.activeElement) ? document.activeElement : null;
    const height = parseFloat(getComputedStyle(this.grid).getPropertyValue("--row"));
    this.body.style.height = `${height * this.#jobs.length}px`;
    setAttribute(this.grid, "aria-rowcount", this.#jobs.length + 1);
    this.#choose();
    const wanted = this.#inSight(height);
    this.#dismiss(new Set(wanted.map((index) => this.#jobs[index].gid)));
    wanted.forEach((index, n) => this.#place(index, n, height));
    if (held) this.#giveBack(held);
  }

  /** The indexes of the rows to have, with that of the one that has the focus. */
  #inSight(height) {
    const top = -this.body.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / height) - BEYOND);
    const last = Math.min(this.#jobs.length, Math.ceil((top + innerHeight) / height) + BEYOND);
    const wanted = [];
    for (let index = first; index < last; index += 1) wanted.push(index);
    if (!this.#jobs.length) return wanted;
    const focused = this.#rows.get(this.#current)?.element.contains(document.activeElement);
    if (focused && this.#index < first) wanted.unshift(this.#index);
    if (focused && this.#index >= Math.max(first, last)) wanted.push(this.#index);
    return wanted;
  }

  /** The current row is the same job as before; or, when that is gone, the one in its place. */
  #choose() {
    const found = this.#jobs.findIndex((job) => job.gid === this.#current);
    if (found < 0) this.#index = Math.max(0, Math.min(this.#index, this.#jobs.length - 1));
    else this.#index = found;
    if (found >= 0 || !this.body.contains(document.activeElement)) {
      this.#current = this.#jobs[this.#index]?.gid ?? null;
    }
  }

  #dismiss(wanted) {
    for (const [gid, row] of this.#rows) {
      if (wanted.has(gid)) continue;
      this.#rows.delete(gid);
      row.element.remove();
    }
  }

  #place(index, n, height) {
    const job = this.#jobs[index];
    let row = this.#rows.get(job.gid);
    if (!row) this.#rows.set(job.gid, (row = new Row(job)));
    if (this.body.children[n] !== row.element) {
      this.body.insertBefore(row.element, this.body.children[n] ?? null);
    }
    row.show(job, index, height, job.gid === this.#current);
  }

  /** What had the focus has it again; or, when it is gone, the row in its place has. */
  #giveBack(held) {
    if (document.activeElement === held && held.checkVisibility({ visibilityProperty: true })) return;
    if (this.body.contains(held) && held.checkVisibility({ visibilityProperty: true })) {
      held.focus({ preventScroll: true });
      return;
    }
    this.#current = this.#jobs[this.#index]?.gid ?? null;
    const row = this.#rows.get(this.#current);
    if (row) row.element.focus({ preventScroll: true });
    else byId("add").focus({ preventScroll: true });
    this.mark();
  }

  // --- what a user does ---------------------------------------------------------------------

  #jobAt(target) {
    const gid = target.closest("[data-gid]")?.dataset.gid;
    return this.#jobs.find((job) => job.gid === gid);
  }

  #clicked(event) {
    const job = this.#jobAt(event.target);
    const button = event.target.closest("button");
    if (!job || (!button && getSelection().toString())) return;
    this.act(button?.dataset.act ?? "open", job);
  }

  #focused(event) {
    const job = this.#jobAt(event.target);
    if (!job || job.gid === this.#current) return;
    this.#current = job.gid;
    this.mark();
  }

  #pressed(event) {
    const job = this.#jobAt(event.target);
    const onRow = event.target.getAttribute("role") === "row";
    if (!job || event.ctrlKey || event.metaKey) return;
    if (event.altKey) {
      if (!VERBS[event.key]) return;
      this.act(VERBS[event.key], job);
    } else if (!this.#move(event.key) && !(onRow && this.#do(event.key, job))) {
      return;
    }
    event.preventDefault();
  }

  #do(key, job) {
    const verb = { Enter: "open", " ": "toggle", Delete: "remove" }[key];
    if (verb) this.act(verb, job);
    return Boolean(verb);
  }

  /** Let another row be the current one; false if `key` does not do that. */
  #move(key) {
    const page = Math.max(1, Math.floor(innerHeight / 2 / 60));
    const steps = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page };
    const ends = { Home: 0, End: this.#jobs.length - 1 };
    if (!(key in steps) && !(key in ends)) return false;
    const index = ends[key] ?? this.#index + steps[key];
    this.#focusRow(Math.max(0, Math.min(this.#jobs.length - 1, index)));
    return true;
  }

  #focusRow(index) {
    this.#index = index;
    this.#current = this.#jobs[index].gid;
    const height = this.body.clientHeight / this.#jobs.length;
    const top = this.body.getBoundingClientRect().top + index * height;
    const covered = parseFloat(getComputedStyle(this.grid).getPropertyValue("--covered"));
    if (top < covered) scrollBy({ top: top - covered, behavior: "instant" });
    else if (top + height > innerHeight) scrollBy({ top: top + height - innerHeight + 8, behavior: "instant" });
    this.#draw();
    this.#rows.get(this.#current).element.focus({ preventScroll: true });
  }
}
