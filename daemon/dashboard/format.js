// Numbers, times and words as people read them.

const grouped = new Intl.NumberFormat("en-US");

export function number(value) {
  return value === null || value === undefined ? "?" : grouped.format(Math.round(value));
}

const exact = new Intl.NumberFormat("en-US", {maximumFractionDigits: 2});

export function hundredths(value) {
  return exact.format(value);
}

export function percent(fraction) {
  return fraction === null || fraction === undefined ? "?" : `${(Math.floor(fraction * 1000) / 10).toFixed(1)} %`;
}

export function rate(value, what = "rows") {
  return value === null || value === undefined ? "" : `${number(value)} ${what}/s`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds > 0 && seconds < 0.01) return `${Math.round(seconds * 10000) / 10} ms`;
  if (seconds > 0 && seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${Number.isInteger(seconds) ? seconds : seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${String(Math.floor(whole / 60) % 60).padStart(2, "0")} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor(whole / 3600) % 24} h`;
}

export function bytes(value) {
  if (value === null || value === undefined) return "?";
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  for (; value >= 1024 && at < units.length - 1; at++) value /= 1024;
  return `${at === 0 || value >= 100 ? number(value) : value.toFixed(1)} ${units[at]}`;
}

// One of a thing, or so many: count(2, "row") is "2 rows".
export function count(value, word) {
  return `${number(value)} ${word}${value === 1 ? "" : "s"}`;
}

// How long until then; "" where that is over.
export function ahead(time) {
  const seconds = time ? (new Date(time).getTime() - Date.now()) / 1000 : 0;
  return seconds > 0 ? duration(Math.round(seconds)) : "";
}

// `time` is a text of the daemon's, or milliseconds.
export function since(time) {
  return time ? duration(Math.max(0, Math.floor((Date.now() - new Date(time).getTime()) / 1000))) : "";
}

// In the reader's own zone; the exact time in UTC belongs into a title.
export function clock(time) {
  if (!time) return "";
  const at = new Date(time), two = (value) => String(value).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

export function words(name) {
  return name ? name.replaceAll("_", " ") : "";
}

const ENDED = new Set(["completed", "aborted", "failed", "refused", "rolled_back"]);
const WAITING = new Set(["holding", "backing_off"]);

export function isEnded(job) {
  return ENDED.has(job.state);
}

// What kind of thing a state is: decides colour and order. Always beside the word itself.
export function kind(job) {
  if (job.state === "failed") return "bad";
  if (job.state === "completed") return "good";
  if (job.state === "awaiting_approval") return "asks";
  if (job.state === "paused" || job.state === "pausing" || job.state === "aborting" || held(job)) return "waits";
  if (job.state === "running" || job.state === "verifying" || job.state === "rolling_back") return "works";
  return "rests";
}

// It stays so while it tries again: a reason goes with the next batch that is committed.
function held(job) {
  return WAITING.has(job.activity) || (job.activity && job.reason);
}

// It takes back what it did, or stopped on the way.
export function goesBack(job) {
  return job.direction === "back";
}

export function stateText(job) {
  const onTheWay = goesBack(job) && !job.state.startsWith("roll");
  const state = words(job.state) + (onTheWay ? " (going back)" : "");
  return held(job) ? `${state}: ${job.activity === "holding" ? "holding" : "backing off"}` : state;
}

export function eta(job) {
  const seconds = job.progress.eta_seconds;
  return isEnded(job) || seconds === null || seconds === undefined ? "" : duration(seconds);
}

export function reasonText(job) {
  return job.reason ? job.reason.text || words(job.reason.code) : "";
}

// Between a reason and its age: the line may break behind it.
export const DOT = "\u00a0· ";

// Since when: of a reason how long it has been one; else how long ago the job ended, began or was submitted.
export function age(job) {
  const of = (name, time) => time && `${name}${since(time)} ago`;
  if (job.reason?.since && !isEnded(job)) return since(job.reason.since);
  return isEnded(job) ? of("", job.reason?.since ?? job.ended_at) || "" : of("started ", job.started_at) || of("submitted ", job.created_at) || "";
}
