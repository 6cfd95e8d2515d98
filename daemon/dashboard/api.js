// Asking the daemon. An answer that is no success becomes an Error with the daemon's own words.

export class Refused extends Error {
  constructor(status, problem) {
    const errors = (problem.errors ?? []).map((error) => `${error.pointer}: ${error.detail}`);
    super([problem.detail ?? problem.title ?? `status ${status}`, ...errors].join("\n"));
    this.status = status;
    this.code = problem.code ?? "";
  }
}

async function ask(path, options) {
  const response = await fetch(path, {cache: "no-store", ...options});
  const text = await response.text();
  let body = {};
  try {
    body = JSON.parse(text);
  } catch {
    body = {detail: text};
  }
  if (!response.ok) throw new Refused(response.status, body);
  return body;
}

export const get = (path) => ask(path);

export function post(path, body) {
  return ask(path, {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
}

export const jobPath = (job, rest = "") => `/v1/jobs/${encodeURIComponent(job)}${rest}`;
