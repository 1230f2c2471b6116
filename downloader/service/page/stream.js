/* Server-Sent Events over fetch(), since an EventSource can send no Authorization header.

   It is read as the HTML standard says (§9.2.6), and asked for again with Last-Event-ID when it
   ends, after a pause that doubles from what the service says up to LONGEST milliseconds. The service sends something each second, so one
   that is silent for SILENCE is gone, also when no packet says so. */

const FIRST = 1000;
const LONGEST = 15_000;
const SILENCE = 10_000;

/** Text that comes in any pieces becomes events: `{id, event, data}`. */
export class EventParser {
  #rest = "";
  #data = [];
  #event = "";
  id = "";
  /** Milliseconds before the next try, as the service would have it; null for no word on it. */
  retry = null;

  /** The events that are whole with `text`. */
  feed(text) {
    this.#rest += text;
    const events = [];
    const lines = /([^\r\n]*)(?:\r\n|\n|\r(?=[^]))/y;
    let end = 0;
    for (let found; (found = lines.exec(this.#rest)); end = lines.lastIndex) {
      const event = this.#line(found[1]);
      if (event) events.push(event);
    }
    this.#rest = this.#rest.slice(end);
    return events;
  }

  #line(line) {
    if (line === "") return this.#end();
    const [, name, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line);
    if (name === "data") this.#data.push(value ?? "");
    else if (name === "event") this.#event = value ?? "";
    else if (name === "id" && !value?.includes("\0")) this.id = value ?? "";
    else if (name === "retry" && /^\d{1,9}$/.test(value)) this.retry = Number(value);
    return null;
  }

  #end() {
    const event = { id: this.id, event: this.#event || "message", data: this.#data.join("\n") };
    const empty = this.#data.length === 0;
    this.#data = [];
    this.#event = "";
    return empty ? null : event;
  }
}

/** Call `heard(event)` for each event at `path` of `api`, and `linked(true)` or `linked(false)` when
    that begins or breaks off, until `signal` aborts. Throws Refused 401, or the signal's reason. */
export async function follow(api, path, { heard, linked, signal }) {
  let last = "";
  let wait = FIRST;
  for (;;) {
    const parser = new EventParser();
    parser.id = last;
    try {
      await read(api, path, parser, signal, (event) => {
        linked(true);
        heard(event);
        last = event.id;
        wait = parser.retry ?? FIRST;
      });
    } catch (error) {
      if (signal.aborted || error.status === 401) throw error;
    }
    linked(false);
    await pause(wait, signal);
    wait = Math.min(LONGEST, wait * 2);
  }
}

async function read(api, path, parser, signal, heard) {
  const silent = new AbortController();
  const headers = parser.id ? { "Last-Event-ID": parser.id } : {};
  let timer = setTimeout(() => silent.abort(), SILENCE);
  try {
    const either = AbortSignal.any([signal, silent.signal]);
    const response = await api.open("GET", path, undefined, { headers, signal: either });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let got = await reader.read(); !got.done; got = await reader.read()) {
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), SILENCE);
      parser.feed(got.value).forEach(heard);
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Wait so many milliseconds, or until the network is back. */
function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const done = new AbortController();
    const timer = setTimeout(() => end(resolve), milliseconds);
    const end = (how) => {
      clearTimeout(timer);
      done.abort();
      how(signal.reason);
    };
    addEventListener("online", () => end(resolve), { signal: done.signal });
    signal.addEventListener("abort", () => end(reject), { signal: done.signal });
  });
}
