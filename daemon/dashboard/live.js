// What the page knows, kept true by the stream: all jobs, whether the daemon is in touch, and since when not.
import {get, jobPath} from "./api.js";
import {lookAgain} from "./who.js";

const LIST_MAX = 1000, COME_BACK = 2000;
const QUIET = 5000, CHECK_EVERY = 2000, CHECK_PATIENCE = 5000; // when it is asked, and how long it may take to answer
const STREAM_QUIET = 20000; // of a job at work there is news every five seconds
// What ended well is shown as far as it is new; what did not end, or failed, however old it is.
const STANDING = ["planning", "awaiting_approval", "queued", "running", "verifying", "pausing", "paused", "aborting", "rolling_back", "failed"];

export const jobs = new Map();
export const contact = {live: false, since: Date.now(), heard: null, more: false};

const listeners = {jobs: new Set(), contact: new Set(), event: new Set()};
let source = null, again = null, loading = null, checking = false;
let spoke = 0, told = null, missed = 0; // when the stream said something, its newest event, and how often it had missed one

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

async function pages(query, most) {
  const found = [];
  let after = "", next = null;
  do {
    const page = await get(`/v1/jobs?limit=500${query}${after}`);
    found.push(...page.jobs);
    next = page.next;
    after = `&after=${next}`;
  } while (next && found.length < most);
  return {found, more: next !== null};
}

// What the stream says while a list is under way is newer than the list.
async function load() {
  const begun = Date.now(), newest = await pages("", LIST_MAX);
  const older = newest.more ? (await pages(STANDING.map((state) => `&state=${state}`).join(""), Infinity)).found : [];
  const found = new Map([...older, ...newest.found].map((job) => [job.id, job]));
  contact.more = newest.more;
  for (const id of [...jobs.keys()]) if (!found.has(id)) jobs.delete(id);
  for (const job of found.values()) {
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
  spoke = Date.now();
  told = null;
  missed = 0;
  source = new EventSource("/v1/events");
  source.onopen = () => {
    spoke = Date.now();
    reload();
  };
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
    spoke = Date.now();
    heard(true);
    take(JSON.parse(message.data));
  });
  source.addEventListener("event", (message) => {
    spoke = Date.now();
    told = Math.max(told ?? 0, Number(message.lastEventId));
    heard(true);
    tell("event", JSON.parse(message.data));
  });
  source.addEventListener("reset", (message) => {
    spoke = Date.now();
    told = Math.max(told ?? 0, Number(message.lastEventId));
    reload();
  });
}

// Has the stream kept silent about what it would have told? An event may be on its way to it while it is asked for.
function isDeaf(newest) {
  const before = missed;
  told ??= newest;
  missed = newest > told ? missed + 1 : 0;
  return (before > 0 && missed > 0) || (Date.now() - spoke > STREAM_QUIET && [...jobs.values()].some((job) => job.activity && job.activity !== "idle"));
}

// A connection can die without a word, and a quiet daemon says nothing: so it is asked now and then. Where it does not answer in
// time the stream is not believed any more, either, and begins anew when it does.
async function check() {
  if (checking || document.hidden || (contact.live && Date.now() - contact.heard < QUIET)) return;
  checking = true;
  let deaf = false, answers = true;
  try {
    deaf = isDeaf((await get("/v1/events?limit=1", CHECK_PATIENCE)).events.at(-1)?.id ?? 0);
  } catch (error) {
    answers = Boolean(error.status); // if only with what is wrong
    if (error.status === 401) lookAgain();
  }
  checking = false;
  if (!answers) heard(false);
  else if (contact.live && !deaf) heard(true);
  else if (source?.readyState === EventSource.OPEN || Date.now() - spoke > STREAM_QUIET) open();
}

export function start() {
  open();
  setInterval(check, CHECK_EVERY);
  // A page that nobody sees takes no connection; browsers have six for each daemon. What it shows is old when it is seen again.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return close();
    heard(false);
    open();
  });
}
