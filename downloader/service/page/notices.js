/* What is told in passing: a notice that is seen, and one that is only read out. */

import { byId, setText } from "./dom.js";

const SHOWN = 8000; // milliseconds; one of an error stays until it is closed
let timer = null;

/** Show `text` at the foot of the page, and read it out. */
export function tell(text, isError = false) {
  clearTimeout(timer);
  const notice = byId("notice");
  byId("notice-text").textContent = text;
  notice.classList.toggle("bad", isError);
  notice.hidden = false;
  if (!isError) timer = setTimeout(close, SHOWN);
  say(text);
}

/** Read `text` out, and show nothing. */
export function say(text) {
  setText(byId("said"), "");
  setText(byId("said"), text);
}

/** Ask a question; resolves to whether the answer is `verb`. */
export function confirmed(question, text, verb) {
  const dialog = byId("confirm");
  setText(byId("confirm-title"), question);
  setText(byId("confirm-text"), text);
  setText(byId("confirm-yes"), verb);
  dialog.showModal();
  byId("confirm-no").focus();
  return new Promise((resolve) => {
    // Not by its close event, which may come when it is open again.
    dialog.oncancel = () => resolve(false);
    byId("confirm-no").onclick = () => end(false);
    byId("confirm-yes").onclick = () => end(true);
    const end = (answer) => {
      dialog.close();
      resolve(answer);
    };
  });
}

/** Collects what ended in a second, and reads that out at once. */
export class Ended {
  #complete = [];
  #failed = [];
  #timer = null;

  /** The job named `name` has ended so. */
  add(name, status) {
    if (status === "complete") this.#complete.push(name);
    else if (status === "error") this.#failed.push(name);
    else return;
    this.#timer ??= setTimeout(() => this.#say(), 1000);
  }

  #say() {
    const parts = [];
    if (this.#complete.length) parts.push(counted(this.#complete, "complete"));
    if (this.#failed.length) parts.push(counted(this.#failed, "failed"));
    this.#complete = [];
    this.#failed = [];
    this.#timer = null;
    say(parts.join(", "));
  }
}

function counted(names, word) {
  return names.length === 1 ? `${names[0]}: ${word}` : `${names.length} ${word}`;
}

function close() {
  byId("notice").hidden = true;
}

byId("notice-close").addEventListener("click", close);
