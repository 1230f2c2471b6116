/* The rate of the last five minutes, one value a second, as long as this page was open. */

import { byId, setAttribute, setText } from "./dom.js";
import { perSecond } from "./format.js";

const SECONDS = 300;
const LEAST = 1024; // the height of the graph, in bytes a second, while nothing comes

export class Graph {
  #rates = []; // [seconds, bytes a second]

  /** It is `rate` bytes a second at `now`, in seconds. */
  add(now, rate) {
    this.#rates.push([now, rate]);
    while (this.#rates[0][0] < now - SECONDS) this.#rates.shift();
    this.#draw(now, rate);
  }

  #draw(now, rate) {
    const most = Math.max(...this.#rates.map((one) => one[1]));
    const scale = 92 / Math.max(LEAST, most);
    const x = (at) => (SECONDS - (now - at)).toFixed(1);
    const points = this.#rates.map(([at, value]) => `${x(at)} ${(100 - value * scale).toFixed(1)}`);
    const line = `M${points.join("L")}`;
    setAttribute(byId("graph-line"), "d", line);
    setAttribute(byId("graph-area"), "d", `${line}L${SECONDS} 100L${x(this.#rates[0][0])} 100Z`);
    setText(byId("rate"), perSecond(rate));
    setText(byId("rate-most"), perSecond(most));
    const label = `Rate of the last five minutes: now ${perSecond(rate)}, at most ${perSecond(most)}`;
    setAttribute(byId("graph"), "aria-label", label);
  }
}
