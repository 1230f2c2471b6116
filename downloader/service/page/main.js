/* The page: what the service tells becomes jobs, and those become a table. */

import { Add } from "./add.js";
import { byId, setText } from "./dom.js";
import { Detail } from "./detail.js";
import { Graph } from "./graph.js";
import { Jobs, isOver } from "./jobs.js";
import { Limits } from "./limits.js";
import { forget, login } from "./login.js";
import { Ended, tell } from "./notices.js";
import { nameOf } from "./row.js";
import { follow } from "./stream.js";
import { Table } from "./table.js";
import { Verbs } from "./verbs.js";

class Page {
  #status = "";
  #text = "";
  #marked = false;
  #held = null; // events that came while all jobs are asked for

  constructor(api) {
    this.api = api;
    this.jobs = new Jobs();
    this.ended = new Ended();
    this.graph = new Graph();
    this.limits = new Limits(api);
    this.detail = new Detail((gid) => this.jobs.get(gid), (job) => this.jobs.position(job), this.act);
    this.verbs = new Verbs(api, this.jobs, (job) => this.detail.open(job));
    this.table = new Table(this.act);
    this.add = new Add(api);
    this.#listen();
  }

  act = (verb, job) => this.verbs.act(verb, job);

  #listen() {
    byId("add").addEventListener("click", () => this.add.open());
    byId("empty-add").addEventListener("click", () => this.add.open());
    byId("pause-all").addEventListener("click", () => this.verbs.all("paused"));
    byId("resume-all").addEventListener("click", () => this.verbs.all("waiting"));
    byId("forget").addEventListener("click", () => this.verbs.forget());
    byId("filter").addEventListener("input", () => {
      this.#text = byId("filter").value;
      this.#filtered();
    });
    byId("states").addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      this.#status = button.dataset.status;
      for (const one of byId("states").children) one.setAttribute("aria-pressed", one === button);
      this.#filtered();
    });
  }

  /** Follow the service until `signal` aborts. */
  run(signal) {
    const linked = (isLinked) => {
      setText(byId("link"), isLinked ? "Live" : "Reconnecting…");
      byId("link").classList.toggle("away", !isLinked);
    };
    const heard = (event) => {
      try {
        this.#heard(event);
      } catch (error) {
        reportError(error); // a bug; reading it again would not help
      }
    };
    return follow(this.api, "events", { heard, linked, signal });
  }

  #heard(event) {
    const value = JSON.parse(event.data);
    if (event.event === "reset") this.#load();
    else if (event.event === "progress") this.#progress(value);
    else if (this.#held) this.#held.push([event.event, value]);
    else this.#changed(event.event, value);
  }

  /** Ask for all jobs. What is told meanwhile is told of jobs as they are later, so it comes after. */
  async #load() {
    const held = (this.#held = []);
    try {
      const jobs = await this.api.allJobs();
      if (this.#held !== held) return; // asked again meanwhile
      this.jobs.replace(jobs);
      this.#held = null;
      for (const [name, value] of held) this.#changed(name, value);
      this.#mark();
    } catch (error) {
      tell(error.message, true);
      if (this.#held === held) setTimeout(() => this.#held === held && this.#load(), 2000);
    }
  }

  #changed(name, value) {
    if (name === "job") this.#put(value);
    else if (name === "gone") this.jobs.drop(value.gid);
    this.#mark();
  }

  #put(job) {
    const before = this.jobs.put(job);
    if (before && !isOver(before)) this.ended.add(nameOf(job), job.status);
    this.#mark();
  }

  #progress(value) {
    this.jobs.progress(value.active);
    this.graph.add(performance.now() / 1000, value.rate);
    this.limits.show(value.limits);
    const active = value.active.length;
    document.title = active ? `${active} active · Downloads` : "Downloads";
    this.table.mark();
    this.detail.update();
  }

  // --- drawing ------------------------------------------------------------------------------

  /** Show what has changed, in the next frame. */
  #mark() {
    if (this.#marked) return;
    this.#marked = true;
    requestAnimationFrame(() => {
      this.#marked = false;
      this.#show();
    });
  }

  #show() {
    const found = this.jobs.matching(this.#status, this.#text);
    this.table.show(found);
    this.detail.update();
    const counts = this.jobs.counts();
    for (const button of byId("states").children) {
      setText(button.querySelector("b"), String(counts[button.dataset.status] ?? 0));
    }
    byId("table").hidden = !found.length;
    byId("empty").hidden = found.length > 0;
    byId("empty-add").hidden = this.jobs.size > 0;
    setText(byId("empty-text"), this.jobs.size ? "No job is like that." : "Nothing to download yet.");
    return found.length;
  }

  #filtered() {
    const count = this.#show();
    setText(byId("found"), count === 1 ? "One job is shown" : `${count} jobs are shown`);
  }
}

async function main() {
  const api = await login();
  const ending = new AbortController();
  byId("leave").addEventListener("click", () => ending.abort());
  byId("app").hidden = false;
  try {
    await new Page(api).run(ending.signal);
  } catch (error) {
    if (!ending.signal.aborted && error.status !== 401) throw error;
  }
  forget(); // the token is wrong from now on, or the user has left
  location.reload();
}

main();
