// The way back of one job: until when there is one and what it costs, and what a rollback had to leave alone.
import {facts, h, replace, show} from "./dom.js";
import * as format from "./format.js";
import {jobs} from "./live.js";
import {keyCell, rowList} from "./rows.js";
import * as questions from "./questions.js";
import {isOffered} from "./who.js";

const KINDS = {
  changed: "changed by somebody since",
  deleted: "deleted since",
  altered: "a trigger altered what was written back",
  refused: "the server refused the old value",
};

function untilText(job) {
  if (job.undo.until) return `${format.clock(job.undo.until)} (${format.ahead(job.undo.until) || "about to be dropped"})`;
  return job.state === "rolled_back" ? "" : "the job's end, and a while after it";
}

function stateOf(job) {
  if (!job.undo) return "There is no way back: the document says \"undo\": \"none\".";
  if (job.undo.by === "inverse") {
    return "By the inverse that the author states: it goes over what the job has passed, and does not see what others wrote.";
  }
  if (job.undo.dropped) return "The undo journal was dropped: there is no way back any more.";
  if (job.state === "rolled_back") return "Everything that could be taken back is; the journal is still kept.";
  if (format.goesBack(job)) return "Changes are taken back, the newest first. What somebody changed since is left alone.";
  return job.started_at ? "What the job changes can be taken back." : "What the job will change can be taken back.";
}

export function wayBack(first) {
  const told = h("p", {}), place = h("div");
  const drop = h("button", {type: "button", class: "danger", hidden: true, "aria-label": `Drop the way back of ${first.name}`,
    onclick: () => questions.forget(jobs.get(first.id) ?? first)}, "Drop the way back");
  const conflicts = rowList({
    job: first.id, title: "Conflicts", path: "/conflicts", member: "conflicts",
    note: "Rows that do not hold any more what the job left in them. They were left as they are.",
    columns: [["Key", (row) => keyCell(row.key)], ["What happened", (row) => KINDS[row.kind] ?? format.words(row.kind)],
      ["Found", (row) => h("time", {datetime: row.found_at, title: row.found_at}, format.clock(row.found_at))]],
  });
  const element = h("section", {"aria-label": "Way back"}, h("h2", {}, "Way back"), told, place, drop);
  let drawn = "", offered = false;
  isOffered("post", "/v1/jobs/{job}/forget").then((answer) => { offered = answer; });
  return {
    elements: [element, conflicts.element],
    update(job) {
      const {undo} = job, kept = undo?.by === "journal" && !undo.dropped;
      const pairs = !kept ? [] : [["Kept until", untilText(job)],
        ["Journal", undo.rows === null ? "" : `${format.count(undo.rows, "change")}, ${format.bytes(undo.bytes)}`]];
      const text = stateOf(job), now = JSON.stringify([text, pairs]);
      if (now !== drawn) {
        drawn = now;
        replace(told, text);
        replace(place, kept && facts(pairs));
      }
      show(drop, offered && questions.mayForget(job));
      conflicts.set(job.rollback?.conflicts ?? 0);
    },
  };
}
