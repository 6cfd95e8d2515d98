// Lists of single rows that the daemon keeps by their keys, page by page: conflicts, bad rows.
import {h, replace, say, show} from "./dom.js";
import * as format from "./format.js";
import {get, jobPath} from "./api.js";

const AGAIN = 3000; // milliseconds: a list that grows is read anew no more often

// `columns`: pairs of a head and what makes a cell of a row. `set(count)`: how many there are by now; it is hidden at none.
export function rowList({job, title, path, member, columns, note}) {
  const body = h("tbody"), trouble = h("p", {class: "trouble", role: "alert", hidden: true});
  const heads = columns.map(([head]) => h("th", {scope: "col"}, head));
  const table = h("table", {class: "plain keys"}, h("caption", {class: "visually-hidden"}, title),
    h("thead", {}, h("tr", {}, heads)), body);
  const counted = h("span", {class: "quiet"});
  const more = h("button", {type: "button", hidden: true, onclick: () => read(next)}, "Show more");
  const element = h("section", {"aria-label": title, hidden: true},
    h("h2", {}, title, " ", counted), note && h("p", {class: "quiet"}, note),
    trouble, h("div", {class: "wide", role: "region", "aria-label": `${title}, by key`, tabindex: "0"}, table), more);
  let next = null, known = -1, readAt = 0, reading = false;

  async function read(after) {
    if (reading) return;
    reading = true;
    readAt = Date.now();
    try {
      const page = await get(jobPath(job, `${path}?limit=100${after ? `&after=${encodeURIComponent(after)}` : ""}`));
      const rows = page[member].map((row) => h("tr", {}, columns.map(([, cell], at) =>
        (at === 0 ? h("th", {scope: "row"}, cell(row)) : h("td", {}, cell(row))))));
      if (after) body.append(...rows);
      else replace(body, rows);
      next = page.next;
      show(more, next !== null);
      show(trouble, false);
    } catch (error) {
      known = -1; // it is tried again
      say(trouble, `They cannot be listed: ${error.message}`);
      show(trouble, true);
    }
    reading = false;
  }

  return {
    element,
    set(count) {
      show(element, count > 0);
      say(counted, count > 0 ? format.number(count) : "");
      if (count <= 0 || count === known || reading || Date.now() - readAt < AGAIN) return;
      known = count;
      // Who has gone on to further pages keeps what he looks at.
      if (body.children.length <= 100) read(null);
    },
  };
}

// A key as people read it; each part is a text of a user's.
export function keyCell(key) {
  return key.flatMap((part, at) => [at > 0 ? ", " : null, h("code", {}, part === "" ? "\"\"" : String(part))]).filter(Boolean);
}
