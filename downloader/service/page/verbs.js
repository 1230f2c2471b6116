/* What a user does to jobs, asked of the service. What comes of it is heard as events alone: an
   answer may be here later than the event that came after it, and would put back what was. */

import { isOver, isWaiting } from "./jobs.js";
import { confirmed, say, tell } from "./notices.js";
import { nameOf, toggleOf } from "./row.js";

export class Verbs {
  #moving = null; // what is being moved, and where to

  /** Asks `api` about `jobs`; `open(job)` shows one. */
  constructor(api, jobs, open) {
    Object.assign(this, { api, jobs, open });
  }

  /** Do `verb` to `job`, and tell what could not be done. */
  async act(verb, job) {
    try {
      if (verb === "open") this.open(job);
      else if (verb === "toggle") await this.#toggle(job);
      else if (verb === "remove") await this.#remove(job);
      else await this.#move(verb, job);
    } catch (error) {
      tell(`${nameOf(job)}: ${error.message}`, true);
    }
  }

  /** Pause all, or resume all that are paused. */
  async all(status) {
    await this.#whole("PATCH", { status }, status === "paused" ? "All are paused." : "All go on.");
  }

  /** Forget those that have ended. */
  async forget() {
    const text = "The list forgets the jobs that have ended. Their files stay.";
    if (await confirmed("Clear what has ended?", text, "Clear")) {
      await this.#whole("DELETE", undefined, "Cleared.");
    }
  }

  async #whole(method, body, done) {
    try {
      await this.api.ask(method, "api/v1/jobs", body);
      tell(done);
    } catch (error) {
      tell(error.message, true);
    }
  }

  async #toggle(job) {
    const toggle = toggleOf(job);
    if (!toggle) return;
    const status = toggle[0] === "pause" ? "paused" : "waiting";
    await this.api.ask("PATCH", `api/v1/jobs/${job.gid}`, { status });
    say(`${nameOf(job)}: ${toggle[1]}`);
  }

  async #remove(job) {
    const text = `${nameOf(job)} is stopped for good. What has come of its file stays.`;
    if (!isOver(job) && !(await confirmed("Remove this job?", text, "Remove"))) return;
    await this.api.ask("DELETE", `api/v1/jobs/${job.gid}`);
  }

  async #move(verb, job) {
    if (!isWaiting(job)) return;
    const last = this.jobs.waiting - 1;
    // A key that is held moves it on from where it is about to be.
    const before = this.#moving?.gid === job.gid ? this.#moving.position : this.jobs.position(job);
    const position = { top: 0, up: before - 1, down: before + 1, bottom: last }[verb];
    if (position < 0 || position > last) return;
    const moving = (this.#moving = { gid: job.gid, position });
    try {
      await this.api.ask("PATCH", `api/v1/jobs/${job.gid}`, { position });
      say(`${nameOf(job)} is ${position + 1} of ${last + 1} that wait`);
    } finally {
      if (this.#moving === moving) this.#moving = null;
    }
  }
}
