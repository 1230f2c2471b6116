/* The jobs as this page knows them, in the service's order: those that run, those that wait, those
   that have ended with the latest first. Nothing here knows the document. */

const OVER = new Set(["complete", "error", "removed"]);

/** Whether nothing more comes of `job`, unless it is tried again. */
export function isOver(job) {
  return OVER.has(job.status);
}

/** Whether `job` has a place among those that wait. */
export function isWaiting(job) {
  return job.status === "waiting" || job.status === "paused";
}

export class Jobs {
  #jobs = new Map();
  #lists = { active: [], waiting: [], over: [] }; // of gids

  get size() {
    return this.#jobs.size;
  }

  /** How many wait, paused ones too. */
  get waiting() {
    return this.#lists.waiting.length;
  }

  get(gid) {
    return this.#jobs.get(gid);
  }

  /** How many wait before `job`. */
  position(job) {
    return this.#lists.waiting.indexOf(job.gid);
  }

  /** These, in this order, are all there are. */
  replace(jobs) {
    this.#jobs = new Map();
    this.#lists = { active: [], waiting: [], over: [] };
    for (const job of jobs) {
      if (!this.#jobs.has(job.gid)) this.#lists[listOf(job)].push(job.gid);
      this.#jobs.set(job.gid, searchable(job));
    }
  }

  /** `job` is new, or has changed. Returns what it was. */
  put(job) {
    const before = this.#jobs.get(job.gid);
    const list = listOf(job);
    this.#jobs.set(job.gid, searchable(job));
    const stays = before && listOf(before) === list;
    if (stays && (list !== "waiting" || this.#lists.waiting[job.position] === job.gid)) return before;
    if (before) this.#take(before);
    if (list === "waiting") this.#lists.waiting.splice(job.position ?? Infinity, 0, job.gid);
    else if (list === "active") this.#lists.active.push(job.gid);
    else this.#lists.over.unshift(job.gid);
    return before;
  }

  /** `gid` is forgotten. */
  drop(gid) {
    const job = this.#jobs.get(gid);
    if (!job) return;
    this.#take(job);
    this.#jobs.delete(gid);
  }

  /** How far those are that run: `[gid, received, length, rate]` of each. */
  progress(rows) {
    for (const [gid, received, length, rate] of rows) {
      const job = this.#jobs.get(gid);
      if (job) Object.assign(job, { received, length, rate });
    }
  }

  /** How many there are of each status; of all under "". */
  counts() {
    const counts = { "": this.#jobs.size };
    for (const job of this.#jobs.values()) counts[job.status] = (counts[job.status] ?? 0) + 1;
    return counts;
  }

  /** Those with this `status` ("" for any) that have `text` in their name, URLs or error. */
  matching(status, text) {
    const wanted = text.trim().toLowerCase();
    const found = [];
    for (const gid of Object.values(this.#lists).flat()) {
      const job = this.#jobs.get(gid);
      if ((!status || job.status === status) && job.searched.includes(wanted)) found.push(job);
    }
    return found;
  }

  #take(job) {
    const list = this.#lists[listOf(job)];
    list.splice(list.indexOf(job.gid), 1);
  }
}

function listOf(job) {
  if (isOver(job)) return "over";
  return job.status === "active" ? "active" : "waiting";
}

function searchable(job) {
  job.searched = [job.name, job.message, ...job.urls].join("\n").toLowerCase();
  return job;
}
