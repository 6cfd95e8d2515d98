// Asking the daemon. An answer that is no success becomes an Error with the daemon's own words.

export class Refused extends Error {
  constructor(status, problem) {
    const errors = (problem.errors ?? []).map((error) => `${error.pointer}: ${error.detail}`);
    super([problem.detail ?? problem.title ?? `status ${status}`, ...errors].join("\n"));
    this.status = status;
    this.code = problem.code ?? "";
  }
}

// Milliseconds. A way that is cut off says nothing at all: who asks does not wait for ever.
const PATIENCE = 20000, ORDER_PATIENCE = 60000;

async function ask(path, patience, options = {}) {
  let response = null, text = "";
  try {
    response = await fetch(path, {cache: "no-store", signal: AbortSignal.timeout(patience), ...options});
    text = await response.text();
  } catch {
    throw new Error(`The daemon does not answer.${
      options.method ? " Whether it heard of this is not known: look before you order it again." : ""}`);
  }
  let body = {};
  try {
    body = JSON.parse(text);
  } catch {
    body = {detail: text};
  }
  if (!response.ok) throw new Refused(response.status, body);
  return body;
}

export const get = (path, patience = PATIENCE) => ask(path, patience);

export function post(path, body) {
  return ask(path, ORDER_PATIENCE, {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
}

export const jobPath = (job, rest = "") => `/v1/jobs/${encodeURIComponent(job)}${rest}`;
