// Orders, each behind a question that names the job and says what will happen.
import {h, replace, say} from "./dom.js";
import * as format from "./format.js";
import {get, jobPath, post} from "./api.js";
import {put} from "./live.js";

const dialog = document.getElementById("question");

const STAYS = "Rows that it has changed stay changed";

function abortText(job) {
  if (format.goesBack(job)) {
    return `${job.name} stops on its way back. What it has not taken back stays changed, ` +
      "until another rollback goes on from there.";
  }
  const kept = job.undo && !job.undo.dropped && job.started_at;
  return `${job.name} ends for good. ${STAYS}; it cannot be resumed` +
    (kept ? ", and can be rolled back while there is a way back." : ".");
}

function rollbackText(job) {
  const stops = ["running", "verifying", "queued", "pausing", "paused", "aborting"].includes(job.state);
  const how = job.undo.by === "inverse" ? "by the inverse that its author states." :
    "the newest change first. Every row that still holds what the job left in it gets its old value again.";
  return `${stops ? `${job.name} is aborted first. Then it` : job.name} takes back what it changed in ` +
    `${job.table ?? "its table"} on ${job.target}, ${how} A job that has begun to go back never goes forward again.`;
}

function isTakenBack(job) {
  const onTheWay = format.goesBack(job) && ["queued", "pausing", "paused"].includes(job.state);
  return Boolean(job.undo && !job.undo.dropped && job.started_at && !onTheWay);
}

const ORDERS = {
  approve: {
    title: "Approve", states: ["awaiting_approval"], word: "comment",
    text: (job) => `${job.name} will change rows of ${job.table ?? "its table"} on ${job.target} as soon as its turn comes.`,
  },
  pause: {
    title: "Pause", states: ["queued", "running", "verifying", "rolling_back"], word: "reason",
    text: (job) => `${job.name} ends or takes back its batch and then writes nothing until somebody resumes it. ` +
      "Nothing is lost.",
  },
  resume: {
    title: "Resume", states: ["paused", "failed"], word: "reason",
    text: (job) => `${job.name} goes on ${format.goesBack(job) ? "taking back " : ""}from where it stands, ` +
      "as soon as its turn comes.",
  },
  abort: {
    title: "Abort", word: "reason", danger: true, text: abortText,
    states: ["planning", "awaiting_approval", "queued", "running", "verifying", "pausing", "paused", "rolling_back"],
  },
  rollback: {
    title: "Roll back", word: "reason", danger: true, text: rollbackText, only: isTakenBack, look: lookBack,
    states: ["queued", "running", "verifying", "pausing", "paused", "aborting", "completed", "aborted", "failed"],
  },
};

export const orders = Object.keys(ORDERS);
export const orderTitle = (order) => ORDERS[order].title;
export const isDanger = (order) => Boolean(ORDERS[order].danger);
export const isPossible = (order, job) =>
  ORDERS[order].states.includes(job.state) && (!ORDERS[order].only || ORDERS[order].only(job));

// What a rollback would do, as lines: the target is asked, nothing is changed.
async function lookBack(asked) {
  const [would, job] = await Promise.all([post(jobPath(asked.id, "/rollback?dry_run=true"), {}), get(jobPath(asked.id))]);
  if (would.by === "inverse") {
    return [
      ["How", "by the author's inverse, over what the job has passed"],
      ["Not seen", "what others wrote into these rows since: the inverse changes them all the same"],
      ["Rows the job changed", format.number(would.rows)],
      ["Takes", would.seconds === null ? "not known" : `about ${format.duration(would.seconds) || "0 s"} while nothing slows it down`],
    ];
  }
  const conflicts = would.sampled_changed + would.sampled_deleted, whole = would.sampled >= would.rows;
  const left = whole ? conflicts : Math.round((would.rows * conflicts) / (would.sampled || 1));
  const about = whole || conflicts === 0 ? "" : "about ";
  const why = [[would.sampled_changed, "changed by others since"], [would.sampled_deleted, "deleted"]]
    .filter(([count]) => count > 0).map(([count, what]) => `${format.number(count)} ${what}`).join(", ");
  const looked = whole ? "every row was looked at" : `by ${format.number(would.sampled)} rows that were looked at`;
  const until = job.undo?.until;
  return [
    ["Restored", `${about}${format.count(would.rows - left, "row")}`],
    ["Conflicts, left alone", conflicts === 0 ? `none (${looked})` : `${about}${format.number(left)} (${looked}: ${why})`],
    ["Takes", would.seconds === null ? "not known" : `about ${format.duration(would.seconds) || "0 s"} while nothing slows it down`],
    ["Way back until", until ? `${format.clock(until)} (${format.ahead(until)})` : "the job's end, and a while after it"],
    ["Undo journal", `${format.count(would.rows, "change")}, ${format.bytes(would.bytes)}`],
  ];
}

// The answer of `look` in its place; where it says that the order is impossible, the order cannot be given.
async function fill(place, look, forbid) {
  try {
    const lines = await look();
    replace(place, h("dl", {class: "would"}, lines.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
  } catch (error) {
    replace(place, h("p", {class: "trouble"}, `What it would do cannot be said: ${error.message}`));
    if (error.status === 409) forbid();
  }
}

function ask({title, text, confirm, typed, typedWhy, word, danger, look, carryOut}) {
  const reason = word && h("input", {type: "text", id: "question-reason", maxlength: "200", autocomplete: "off"});
  const name = typed && h("input", {
    type: "text", id: "question-name", autocomplete: "off", autocapitalize: "off", spellcheck: "false",
  });
  const yes = h("button", {type: "submit", class: danger ? "danger" : "primary", disabled: Boolean(typed)}, confirm);
  const trouble = h("p", {class: "trouble", role: "alert", hidden: true});
  const seen = look && h("div", {role: "status", class: "look"}, h("p", {class: "quiet"}, "Asking the target what it would do…"));
  const form = h("form", {method: "dialog"},
    h("h2", {id: "question-title"}, title), h("p", {id: "question-text"}, text), seen,
    typed && h("p", {}, h("label", {for: "question-name"}, typedWhy, h("b", {}, typed)), name),
    reason && h("p", {}, h("label", {for: "question-reason"},
      `${word === "comment" ? "Comment" : "Reason"} (kept in the events)`), reason),
    trouble,
    h("p", {class: "buttons"}, h("button", {type: "button", value: "no", onclick: () => dialog.close()}, "Cancel"), yes));
  if (name) name.addEventListener("input", () => { yes.disabled = name.value !== typed; });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (yes.disabled) return;
    yes.disabled = true;
    try {
      await carryOut(reason?.value.trim() || undefined);
      dialog.close();
    } catch (error) {
      say(trouble, error.message);
      trouble.hidden = false;
      yes.disabled = false;
    }
  });
  replace(dialog, form);
  dialog.showModal();
  (name ?? reason ?? yes).focus();
  if (look) fill(seen, look, () => { yes.disabled = true; });
}

// The button that asked may be gone by then: whoever goes on by keyboard goes on from the page, not from the top.
export function keepFocus() {
  requestAnimationFrame(() => {
    const at = document.activeElement;
    if (at === document.body || !at.checkVisibility()) document.getElementById("main").focus({preventScroll: true});
  });
}
dialog.addEventListener("close", keepFocus);

export function giveOrder(order, job) {
  const {title, text, word, danger, look} = ORDERS[order];
  const red = order === "approve" && String(job.plan?.risk ?? "").toLowerCase() === "red";
  ask({
    title: `${title} ${job.name}?`, text: text(job), confirm: title, word, danger, look: look && (() => look(job)),
    typed: red ? job.name : null, typedWhy: "This plan is RED. Type the name of the job to approve it: ",
    carryOut: async (said) => {
      const body = {};
      if (said) body[word] = said;
      if (red) body.confirm = job.name;
      if (order === "approve" && job.plan?.hash) body.plan = job.plan.hash; // of what the reader saw
      put(await post(jobPath(job.id, `/${order}`), body));
    },
  });
}

export function mayRetryBadRows(job) {
  const states = ["running", "verifying", "paused", "completed", "failed"];
  return job.progress.rows_bad > 0 && states.includes(job.state) && !format.goesBack(job);
}

export function retryBadRows(job) {
  const when = {paused: " as soon as it is resumed", completed: ": it is queued for that", failed: ": it is queued, and goes on"};
  ask({
    title: `Try the bad rows of ${job.name} again?`, confirm: "Try again", word: "reason",
    text: `${format.count(job.progress.rows_bad, "row")} in quarantine ${job.progress.rows_bad === 1 ? "is" : "are"} tried once ` +
      `more by ${job.name}${when[job.state] ?? ""}. Each leaves it when it can be changed by now.`,
    carryOut: async (reason) => put(await post(jobPath(job.id, "/retry-bad-rows"), reason ? {reason} : {})),
  });
}

export function mayForget(job) {
  return Boolean(job.undo?.by === "journal" && !job.undo.dropped && job.started_at && format.isEnded(job) && job.state !== "refused");
}

export function forget(job) {
  const {rows, bytes, until} = job.undo;
  const what = rows === null ? "" : ` (${format.count(rows, "change")}, ${format.bytes(bytes)})`;
  ask({
    title: `Drop the way back of ${job.name}?`, confirm: "Drop the way back", danger: true,
    typed: job.name, typedWhy: "Type the name of the job to drop it: ",
    text: `The undo journal${what} is dropped on ${job.target} now${until ? ` instead of on ${format.clock(until)}` : ""}. ` +
      `After that ${job.name} cannot be rolled back any more${job.state === "failed" ? ", and cannot be resumed" : ""}.`,
    carryOut: async () => put(await post(jobPath(job.id, "/forget"), {confirm: job.name})),
  });
}

export function pauseAll(running, done) {
  ask({
    title: "Pause all jobs?", confirm: "Pause all", word: "reason", danger: true,
    text: `${running === 1 ? "One job" : `${running} jobs`} will stop writing, and nothing starts or resumes ` +
      "on any target until all are resumed. This also survives a restart of the daemon.",
    carryOut: async (reason) => done(await post("/v1/pause-all", reason ? {reason} : {})),
  });
}

export function resumeAll(latch, done) {
  const scope = latch.target ? {target: latch.target} : latch.label ? {label: latch.label} : {};
  ask({
    title: "Resume all jobs?", confirm: "Resume all",
    text: `What was paused by this (${latch.target ?? latch.label ?? "all targets"}) goes on; ` +
      "what was paused before stays paused.",
    carryOut: async () => done(await post("/v1/resume-all", scope)),
  });
}
