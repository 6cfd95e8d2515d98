// What the page knows, kept true by the stream: all jobs, whether the daemon is in touch, and since when not.
import {get, jobPath} from "./api.js";
import {lookAgain} from "./who.js";

const LIST_MAX = 1000, CHECK_EVERY = 5000, COME_BACK = 2000;

export const jobs = new Map();
export const contact = {live: false, since: Date.now(), heard: null, more: false};

const listeners = {jobs: new Set(), contact: new Set(), event: new Set()};
let source = null, again = null, loading = null;

export function on(what, listener) {
  listeners[what].add(listener);
  return () => listeners[what].delete(listener);
}

function tell(what, value) {
  for (const listener of listeners[what]) listener(value);
}

function heard(live) {
  if (live) contact.heard = Date.now();
  if (contact.live !== live) {
    contact.live = live;
    contact.since = Date.now();
  }
  tell("contact");
}

// What the stream says while a list is under way is newer than the list.
async function load() {
  const begun = Date.now(), found = [];
  let after = "", next = null;
  do {
    const page = await get(`/v1/jobs?limit=500${after}`);
    found.push(...page.jobs);
    next = page.next;
    after = `&after=${next}`;
  } while (next && found.length < LIST_MAX);
  contact.more = next !== null;
  const ids = new Set(found.map((job) => job.id));
  for (const id of [...jobs.keys()]) if (!ids.has(id)) jobs.delete(id);
  for (const job of found) {
    const known = jobs.get(job.id);
    jobs.set(job.id, known && known.told > begun ? {...job, ...known} : {...job, told: 0});
  }
  tell("jobs", null);
}

export function reload() {
  loading ??= load().then(() => heard(true), () => heard(false)).finally(() => {
    loading = null;
  });
  return loading;
}

// The stream does not tell plans and approvals: where one may be another now, the job is read anew.
function isPlannedAnew(known, progress) {
  return known.state !== progress.state && [known.state, progress.state].some((state) => /planning|approval/.test(state));
}

async function take(progress) {
  const known = jobs.get(progress.id);
  if (!known || isPlannedAnew(known, progress)) {
    try {
      jobs.set(progress.id, {...await get(jobPath(progress.id)), told: Date.now()});
    } catch {
      return;
    }
  } else {
    jobs.set(progress.id, {...known, ...progress, told: Date.now()});
  }
  tell("jobs", progress.id);
}

// An order's answer is the job as it is now.
export function put(job) {
  jobs.set(job.id, {...jobs.get(job.id), ...job, told: Date.now()});
  tell("jobs", job.id);
}

function close() {
  source?.close();
  source = null;
}

function open() {
  close();
  source = new EventSource("/v1/events");
  source.onopen = reload;
  source.onerror = () => {
    heard(false);
    // The browser comes back by itself unless the answer was a refusal.
    if (source?.readyState === EventSource.CLOSED) {
      clearTimeout(again);
      again = setTimeout(open, COME_BACK);
      lookAgain();
    }
  };
  source.addEventListener("progress", (message) => {
    heard(true);
    take(JSON.parse(message.data));
  });
  source.addEventListener("event", (message) => {
    heard(true);
    tell("event", JSON.parse(message.data));
  });
  source.addEventListener("reset", reload);
}

// A connection can die without a word, and a quiet daemon says nothing: so it is asked now and then.
async function check() {
  if (document.hidden || (contact.live && Date.now() - contact.heard < CHECK_EVERY)) return;
  try {
    await get("/healthz");
    if (contact.live) heard(true);
    else if (source?.readyState === EventSource.OPEN) reload();
  } catch {
    heard(false);
  }
}

export function start() {
  open();
  setInterval(check, CHECK_EVERY);
  // A page that nobody sees takes no connection; browsers have six for each daemon.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else open();
  });
}
