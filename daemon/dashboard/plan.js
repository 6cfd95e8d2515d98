// The plan of one job: its risk and why, what was estimated and what came of it, the statement and the card.
import {facts, h, replace} from "./dom.js";
import * as format from "./format.js";
import {get, jobPath} from "./api.js";

function riskList(reasons) {
  const order = ["RED", "YELLOW"];
  const sorted = [...reasons].sort((one, other) => order.indexOf(one.risk) - order.indexOf(other.risk));
  return sorted.length > 0 && h("ul", {class: "risks", "aria-label": "Reasons of the risk"}, sorted.map((reason) =>
    h("li", {}, h("span", {class: `risk ${String(reason.risk).toLowerCase()}`}, reason.risk), ` ${reason.text}`)));
}

const known = (value, text) => (value === null || value === undefined ? "–" : text(value));

// Estimate beside what it took; before its end the job has an estimate alone.
function estimateTable(job, {estimate, took, undo}) {
  if (!estimate) return null;
  const low = estimate.seconds_low ?? null, rate = (rows) => format.rate(rows);
  const verdict = {true: " (as estimated)", false: " (not as estimated)"}[took?.as_estimated] ?? "";
  const rows = [
    ["Time of work", low === null ? "–" : `${format.duration(low)} to ${format.duration(estimate.seconds_high)}`,
      took && `${format.duration(took.seconds) || "0 s"} of work${verdict}`],
    ["Rows changed", known(estimate.rows_changed, format.number), took && format.number(took.rows_changed)],
    ["Rows scanned a second", known(estimate.rate, rate), took && known(took.seconds > 0 ? took.rows_scanned / took.seconds : null, rate)],
    undo === "journal" && ["Undo journal", known(estimate.journal_bytes, format.bytes), took && known(took.journal_bytes, format.bytes)],
    ["Log written", known(estimate.log_bytes, format.bytes), took && known(took.log_bytes, format.bytes)],
    ["Old row versions", known(estimate.dead_rows, format.number), took && known(took.dead_rows, format.number)],
  ].filter((row) => row).filter(([, guessed, came]) => guessed !== "–" || (came && came !== "–"));
  if (rows.length === 0) return null;
  const head = (text) => h("th", {scope: "col"}, text);
  return h("table", {class: "plain estimate"}, h("caption", {}, took ? "Estimate, and what it took" : "Estimate"),
    h("thead", {}, h("tr", {}, head(""), head("Estimated"), took && head("Took"))),
    h("tbody", {}, rows.map(([name, guessed, came]) =>
      h("tr", {}, h("th", {scope: "row"}, name), h("td", {}, guessed), took && h("td", {}, came)))));
}

function draw(place, job, plan) {
  const isSingle = (value) => typeof value !== "object" || value === null;
  const apart = ["statement", "inverse_statement", "card", "risk", "took", "estimate"];
  const single = Object.entries(plan).filter(([name, value]) => isSingle(value) && !apart.includes(name));
  const text = (name, value) => (name === "bytes" ? format.bytes(value) : typeof value === "number" ? format.number(value) : String(value));
  replace(place, plan.risk && h("p", {}, "Risk: ", h("span", {class: `risk ${plan.risk.toLowerCase()}`}, plan.risk)),
    riskList(plan.reasons ?? []), estimateTable(job, plan),
    facts([["key", (plan.key ?? []).map((column) => `${column.column} ${column.type}`).join(", ")],
      ...single.map(([name, value]) => [format.words(name), value === null ? "" : text(name, value)])]),
    plan.statement && h("pre", {}, plan.statement),
    plan.inverse_statement && [h("p", {}, "The way back, by the author's inverse:"), h("pre", {}, plan.inverse_statement)],
    plan.card && h("details", {}, h("summary", {}, "The card"), h("pre", {class: "card", tabindex: "0"}, plan.card)));
}

// Read when there is a plan, when it is another one, and when the job's end says what came of it.
export function planSection() {
  const place = h("div", {}, h("p", {class: "quiet"}, "No plan yet."));
  const element = h("section", {"aria-label": "Plan"}, h("h2", {}, "Plan"), place);
  let shown = null;
  function update(job) {
    const now = `${job.plan?.hash}/${format.isEnded(job)}`;
    if (!job.plan || now === shown) return;
    shown = now;
    get(jobPath(job.id, "/plan")).then((plan) => draw(place, job, plan),
      (error) => replace(place, h("p", {class: "quiet"}, error.message)));
  }
  return {element, update};
}
