/* The service's HTTP API. Paths are relative, so that it may live below a path of a proxy. */

/** The service refused; `status` is HTTP's, 0 when it was not reached. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export class Api {
  /** Asks with `token`. */
  constructor(token) {
    this.token = token;
  }

  /** The JSON that is answered, null for none. `body` is sent as JSON. Throws Refused. */
  async ask(method, path, body) {
    const response = await this.open(method, path, body);
    const text = await response.text();
    return text ? JSON.parse(text) : null;
  }

  /** The response, whose body is not read yet. Throws Refused, or what `signal` aborts with. */
  async open(method, path, body, { headers = {}, signal } = {}) {
    const sent = { Authorization: `Bearer ${this.token}`, ...headers };
    if (body !== undefined) sent["Content-Type"] = "application/json";
    const text = body === undefined ? undefined : JSON.stringify(body);
    let response;
    try {
      response = await fetch(path, { method, headers: sent, body: text, signal, cache: "no-store" });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Refused(0, "The service cannot be reached.");
    }
    if (!response.ok) throw new Refused(response.status, await problemOf(response));
    return response;
  }

  /** Every job there is, in pages: those that run, that wait in their order, that have ended. */
  async allJobs(each = 1000) {
    const jobs = [];
    for (;;) {
      const page = await this.ask("GET", `api/v1/jobs?offset=${jobs.length}&limit=${each}`);
      jobs.push(...page.jobs);
      if (!page.jobs.length || jobs.length >= page.total) return jobs;
    }
  }
}

/** What the service says of why it refused (RFC 9457). */
async function problemOf(response) {
  try {
    return (await response.json()).title;
  } catch {
    return `The service answered ${response.status}.`;
  }
}
