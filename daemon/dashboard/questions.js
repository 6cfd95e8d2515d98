// Orders, each behind a question that names the job and says what will happen.
import {h, replace} from "./dom.js";
import {jobPath, post} from "./api.js";
import {put} from "./live.js";

const dialog = document.getElementById("question");

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
    text: (job) => `${job.name} goes on from where it stands, as soon as its turn comes.`,
  },
  abort: {
    title: "Abort", word: "reason", danger: true,
    states: ["planning", "awaiting_approval", "queued", "running", "verifying", "pausing", "paused", "rolling_back"],
    text: (job) => `${job.name} ends for good. Rows that it has changed stay changed; it cannot be resumed.`,
  },
  rollback: {
    title: "Roll back", word: "reason", danger: true,
    states: ["running", "verifying", "paused", "completed", "aborted", "failed"],
    text: (job) => `${job.name} gives every row that it changed its old value again, ` +
      "except where somebody changed it since.",
  },
};

export const orders = Object.keys(ORDERS);
export const orderTitle = (order) => ORDERS[order].title;
export const isDanger = (order) => Boolean(ORDERS[order].danger);
export const isPossible = (order, job) => ORDERS[order].states.includes(job.state);

function ask({title, text, confirm, typed, word, danger, carryOut}) {
  const reason = word && h("input", {type: "text", id: "question-reason", maxlength: "200", autocomplete: "off"});
  const name = typed && h("input", {
    type: "text", id: "question-name", autocomplete: "off", autocapitalize: "off", spellcheck: "false",
  });
  const yes = h("button", {type: "submit", class: danger ? "danger" : "primary", disabled: Boolean(typed)}, confirm);
  const trouble = h("p", {class: "trouble", role: "alert", hidden: true});
  const form = h("form", {method: "dialog"},
    h("h2", {id: "question-title"}, title), h("p", {}, text),
    typed && h("p", {}, h("label", {for: "question-name"},
      "This plan is RED. Type the name of the job to approve it: ", h("b", {}, typed)), name),
    reason && h("p", {}, h("label", {for: "question-reason"},
      `${word === "comment" ? "Comment" : "Reason"} (kept in the events)`), reason),
    trouble,
    h("p", {class: "buttons"}, h("button", {type: "button", value: "no", onclick: () => dialog.close()}, "Cancel"), yes));
  if (name) name.addEventListener("input", () => { yes.disabled = name.value !== typed; });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    yes.disabled = true;
    try {
      await carryOut(reason?.value.trim() || undefined);
      dialog.close();
    } catch (error) {
      trouble.textContent = error.message;
      trouble.hidden = false;
      yes.disabled = false;
    }
  });
  replace(dialog, form);
  dialog.showModal();
  (name ?? reason ?? yes).focus();
}

export function giveOrder(order, job) {
  const {title, text, word, danger} = ORDERS[order];
  const red = order === "approve" && String(job.plan?.risk ?? "").toLowerCase() === "red";
  ask({
    title: `${title} ${job.name}?`, text: text(job), confirm: title, word, danger, typed: red ? job.name : null,
    carryOut: async (said) => {
      const body = {};
      if (said) body[word] = said;
      if (red) body.confirm = job.name;
      if (order === "approve" && job.plan?.hash) body.plan = job.plan.hash; // of what the reader saw
      put(await post(jobPath(job.id, `/${order}`), body));
    },
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
