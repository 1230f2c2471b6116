/* All that is known of one job, in a dialog that follows it while it is open. */

import { byId, closable, made, setMeter, setText } from "./dom.js";
import { amount, bytes, duration, moment, perSecond, timeLeft } from "./format.js";
import { isWaiting } from "./jobs.js";
import { nameOf, removeOf, setChip, toggleOf } from "./row.js";

const dialog = byId("detail");

export class Detail {
  #gid = null;
  #shown = "";

  /** `find(gid)` is the job, `position(job)` its place, and `act(verb, job)` does something. */
  constructor(find, position, act) {
    this.find = find;
    this.position = position;
    closable(dialog);
    dialog.addEventListener("close", () => {
      if (!dialog.open) this.#gid = null; // else it was opened again before this came
    });
    byId("detail-actions").addEventListener("click", (event) => {
      const verb = event.target.closest("button")?.dataset.act;
      const job = find(this.#gid);
      if (verb && job) act(verb, job);
    });
  }

  /** Show `job`. */
  open(job) {
    this.#gid = job.gid;
    this.#shown = "";
    this.update();
    dialog.showModal();
  }

  /** It may have changed, or be gone. */
  update() {
    if (this.#gid === null) return;
    const job = this.find(this.#gid);
    if (job) this.#show(job);
    else dialog.close();
  }

  #show(job) {
    setText(byId("detail-name"), nameOf(job));
    setChip(byId("detail-status"), job);
    setMeter(dialog.querySelector(".meter"), job);
    const parts = [amount(job), job.status === "active" ? perSecond(job.rate) : "", timeLeft(job)];
    setText(byId("detail-progress"), parts.filter(Boolean).join(" · "));
    setText(byId("detail-message"), job.message ?? "");
    this.#showButtons(job);
    const facts = this.#facts(job);
    const shown = JSON.stringify([facts, job.troubles]);
    if (shown === this.#shown) return; // a text that a user has selected stays so
    this.#shown = shown;
    byId("detail-facts").replaceChildren(...facts.flatMap(fact));
    byId("detail-troubles").hidden = job.troubles.length === 0;
    byId("troubles").replaceChildren(...job.troubles.map(trouble));
  }

  #showButtons(job) {
    for (const button of byId("detail-actions").children) {
      const { act } = button.dataset;
      const word = act === "toggle" ? toggleOf(job)?.[1] : act === "remove" ? removeOf(job) : null;
      if (word) setText(button, word);
      const absent = act === "toggle" ? !word : act !== "remove" && !isWaiting(job);
      if (absent && button === document.activeElement) dialog.querySelector("[data-close]").focus();
      button.hidden = absent;
    }
  }

  /** Names and what they say, in one text or several. */
  #facts(job) {
    const place = isWaiting(job) ? `${this.position(job) + 1}` : "";
    const verified = { true: "it matches", false: "nothing to compare with" }[job.verified];
    const all = [
      ["URL", job.urls],
      ["Came from", job.final_url && job.final_url !== job.urls[0] ? job.final_url : ""],
      ["File", job.path ?? ""],
      ["Directory", job.dir],
      ["Length", job.length === null ? "" : `${bytes(job.length)} (${job.length} bytes)`],
      ["Place", place],
      ["Priority", job.priority ? String(job.priority) : ""],
      ["Error", job.error ?? ""],
      ["HTTP status", job.http_status ? String(job.http_status) : ""],
      ["Attempts", job.attempts ? String(job.attempts) : ""],
      ["Checksum", job.checksum ?? ""],
      ["Verified", verified ?? ""],
      ["Added", moment(job.added)],
      ["Ended", job.ended ? moment(job.ended) : ""],
      ["Took", job.seconds ? duration(job.seconds) : ""],
      ["Gid", job.gid],
    ];
    return all.filter(([, value]) => value.length);
  }
}

function fact([name, value]) {
  return [made("dt", name), ...[value].flat().map((text) => made("dd", text))];
}

function trouble({ at, message }) {
  const item = made("li");
  item.append(made("time", moment(at)), made("span", message));
  return item;
}
