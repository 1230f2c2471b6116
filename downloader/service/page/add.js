/* The dialog in which URLs are added. */

import { byId, closable, made } from "./dom.js";
import { tell } from "./notices.js";

const dialog = byId("add-dialog");

export class Add {
  /** Asks `api`. */
  constructor(api) {
    this.api = api;
    closable(dialog);
    byId("add-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    byId("list").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("add-form").requestSubmit();
    });
  }

  /** Show it, with `text` to be added. */
  open(text = "") {
    clear();
    if (text) byId("list").value = text;
    if (!dialog.open) dialog.showModal();
    byId("list").focus();
  }

  async #send() {
    clear();
    const text = byId("list").value;
    const body = { list: text, paused: byId("paused").checked };
    if (byId("dir").value.trim()) body.dir = byId("dir").value.trim();
    const button = byId("add-form").querySelector("[type=submit]");
    button.disabled = true;
    try {
      this.#answered(await this.api.ask("POST", "api/v1/jobs", body), text);
    } catch (error) {
      byId("add-problem").textContent = error.message;
      byId("list").focus();
    } finally {
      button.disabled = false;
    }
  }

  /** Keep the lines that were refused, so that they can be put right; close if there are none. */
  #answered({ jobs, refused }, text) {
    const lines = text.split("\n");
    byId("list").value = refused.map(({ line }) => lines[line - 1] ?? "").join("\n");
    if (jobs.length) tell(jobs.length === 1 ? "One job added." : `${jobs.length} jobs added.`);
    if (!refused.length && jobs.length) {
      dialog.close();
      return;
    }
    byId("add-problem").textContent = problem(jobs, refused);
    const items = refused.map(({ line, message }) => made("li", `Line ${line}: ${message}`));
    byId("refused").replaceChildren(...items);
    byId("list").focus();
  }
}

function problem(jobs, refused) {
  if (!refused.length) return "There is no URL in it.";
  const count = refused.length === 1 ? "One line was" : `${refused.length} lines were`;
  return jobs.length ? `${count} refused; the others were added.` : `${count} refused.`;
}

function clear() {
  byId("add-problem").textContent = "";
  byId("refused").replaceChildren();
}
