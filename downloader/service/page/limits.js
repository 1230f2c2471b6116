/* The limits, which hold from the moment a field is left or Enter is pressed. */

import { byId, setText } from "./dom.js";
import { parseBytes, perSecond, plainBytes } from "./format.js";

const FIELDS = { concurrency: "concurrency", per_host: "per-host", bytes_per_second: "most-rate" };

export class Limits {
  #known = {};

  /** Asks `api`. */
  constructor(api) {
    this.api = api;
    const wide = matchMedia("(min-width: 900px)");
    byId("limits").open = wide.matches;
    wide.addEventListener("change", () => (byId("limits").open = wide.matches));
    byId("limits-form").addEventListener("submit", (event) => event.preventDefault());
    for (const [name, id] of Object.entries(FIELDS)) {
      byId(id).addEventListener("change", () => this.#changed(name, byId(id)));
    }
  }

  /** These hold; a field that is being written in is left alone. */
  show(limits) {
    this.#known = limits;
    for (const [name, id] of Object.entries(FIELDS)) {
      const field = byId(id);
      if (field !== document.activeElement && !field.hasAttribute("aria-invalid")) {
        field.value = shown(name, limits[name]);
      }
    }
  }

  async #changed(name, field) {
    field.removeAttribute("aria-invalid");
    try {
      const value = read(name, field.value);
      if (value === this.#known[name]) return;
      this.#known = await this.api.ask("PATCH", "api/v1/limits", { [name]: value });
      field.value = shown(name, value);
      told(`${words(name, value)} from now on.`);
    } catch (error) {
      field.setAttribute("aria-invalid", "true");
      told(error.message, true);
    }
  }
}

function told(text, isProblem = false) {
  setText(byId("limits-told"), text);
  byId("limits-told").classList.toggle("problem", isProblem);
}

function read(name, text) {
  if (name === "bytes_per_second") return parseBytes(text);
  if (text.trim() === "" && name === "per_host") return null;
  const value = Number(text);
  if (text.trim() === "" || !Number.isInteger(value) || value < 1) {
    throw new RangeError("It has to be a whole number from 1 on.");
  }
  return value;
}

function shown(name, value) {
  return name === "bytes_per_second" ? plainBytes(value) : String(value ?? "");
}

function words(name, value) {
  if (name === "concurrency") return value === 1 ? "One file at a time" : `${value} files at a time`;
  if (name === "per_host") return value === null ? "No limit for one host" : `${value} of one host`;
  return value === null ? "No limit on bytes" : `At most ${perSecond(value)}`;
}
