// The rows in quarantine: which ones the server refused to change, and why; and trying them again.
import {h, show} from "./dom.js";
import * as format from "./format.js";
import {jobs} from "./live.js";
import {keyCell, rowList} from "./rows.js";
import * as questions from "./questions.js";
import {isOffered} from "./who.js";

export function badRows(first) {
  const list = rowList({
    job: first.id, title: "Bad rows", path: "/bad-rows", member: "bad_rows",
    note: "Rows that the server refused to change. They are in quarantine, as they were.",
    columns: [["Key", (row) => keyCell(row.key)],
      ["Error", (row) => [row.error, row.sqlstate && h("span", {class: "quiet"}, ` (${row.sqlstate})`)]],
      ["Found", (row) => h("time", {datetime: row.found_at, title: row.found_at}, format.clock(row.found_at))]],
  });
  const retry = h("button", {type: "button", hidden: true, "aria-label": `Try the bad rows of ${first.name} again`,
    onclick: () => questions.retryBadRows(jobs.get(first.id) ?? first)}, "Try them again");
  list.element.append(retry);
  let offered = false;
  isOffered("post", "/v1/jobs/{job}/retry-bad-rows").then((answer) => { offered = answer; });
  return {
    element: list.element,
    update(job) {
      list.set(job.progress.rows_bad ?? 0);
      show(retry, offered && questions.mayRetryBadRows(job));
    },
  };
}
