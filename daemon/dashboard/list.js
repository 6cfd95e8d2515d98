// Every job: what wants a person first, then what works, then what waits its turn, then what has ended.
import {bar, h, replace, say, show} from "./dom.js";
import * as format from "./format.js";
import {contact, jobs, on} from "./live.js";

const ORDER = ["bad", "asks", "waits", "works", "rests", "good"];
const ENDED_SHOWN = 25;
const HEADS = ["Job", "State", "Progress", "Rate", "Time left", "Why, and since when"];

let wanted = ""; // who comes back from a job finds the list as it was

function rank(job) {
  return format.isEnded(job) && job.state !== "failed" ? ORDER.length : ORDER.indexOf(format.kind(job));
}

function inOrder(one, other) {
  return rank(one) - rank(other) || (one.id < other.id ? 1 : -1);
}

function makeRow() {
  const link = h("a", {class: "name"}), table = h("bdi"), target = h("bdi"), state = h("span", {class: "state"});
  const progress = bar("Progress"), share = h("span", {class: "share"});
  const rate = h("td", {class: "number rate", "data-label": "Rate"});
  const eta = h("td", {class: "number eta", "data-label": "Left"}), why = h("span"), dot = h("span", {class: "quiet"}), age = h("span", {class: "age"});
  const element = h("tr", {},
    h("th", {scope: "row"}, link, h("span", {class: "where"}, table, " · ", target)), h("td", {class: "state-cell"}, state),
    h("td", {class: "progress-cell"}, progress.element, share), rate, eta, h("td", {class: "why"}, why, dot, age));
  return {
    element,
    update(job) {
      link.setAttribute("href", `#/jobs/${job.id}`);
      say(link, job.name);
      say(table, job.table);
      say(target, job.target);
      state.className = `state ${format.kind(job)}`;
      say(state, format.stateText(job));
      progress.element.classList.toggle("done", job.state === "completed");
      const percent = format.percent(job.progress.fraction);
      const back = format.goesBack(job);
      progress.set(job.progress.fraction, percent, back);
      say(share, back ? `${percent} back` : percent);
      say(rate, format.rate(job.progress.rate));
      say(eta, format.eta(job));
      const risk = job.state === "awaiting_approval" && job.plan?.risk ? `the plan is ${job.plan.risk}` : "";
      const reason = format.reasonText(job) || risk, from = format.age(job);
      say(why, reason);
      say(dot, reason && from ? format.DOT : "");
      say(age, from);
    },
  };
}

export function listPage(main) {
  const rows = new Map();
  let all = false, scheduled = false;
  const filter = h("input", {type: "search", id: "filter", placeholder: "name, table, target, state, owner", oninput: () => {
    wanted = filter.value.trim().toLowerCase();
    draw();
  }});
  filter.value = wanted;
  const summary = h("p", {class: "summary", role: "status"});
  const body = h("tbody");
  const table = h("table", {class: "jobs"}, h("caption", {class: "visually-hidden"}, "Jobs"),
    h("thead", {}, h("tr", {}, HEADS.map((head) => h("th", {scope: "col"}, head)))), body);
  const more = h("button", {type: "button", onclick: () => { all = true; draw(); }});
  const empty = h("div", {class: "empty"});
  replace(main, h("h1", {class: "visually-hidden"}, "Jobs"),
    h("div", {class: "tools"}, h("label", {for: "filter"}, "Filter"), filter, summary), table, more, empty);

  function fits(job) {
    const texts = [job.name, job.table, job.target, format.stateText(job), job.owner ?? ""];
    return !wanted || texts.some((text) => text.toLowerCase().includes(wanted));
  }

  function draw() {
    scheduled = false;
    const found = [...jobs.values()].filter(fits).sort(inOrder);
    const unended = found.filter((job) => rank(job) < ORDER.length);
    const shown = all || wanted ? found : [...unended, ...found.slice(unended.length, unended.length + ENDED_SHOWN)];
    const kept = new Set(shown.map((job) => job.id));
    for (const [id, row] of rows) if (!kept.has(id)) { row.element.remove(); rows.delete(id); }
    shown.forEach((job, at) => {
      if (!rows.has(job.id)) rows.set(job.id, makeRow());
      const {element, update} = rows.get(job.id);
      update(job);
      if (body.children[at] !== element) body.insertBefore(element, body.children[at] ?? null);
    });
    show(table, shown.length > 0);
    show(more, shown.length < found.length);
    say(more, `Show ${found.length - shown.length} more that have ended`);
    const counts = new Map();
    for (const job of found) counts.set(job.state, (counts.get(job.state) ?? 0) + 1);
    const counted = [...counts].map(([state, count]) => `${count} ${format.words(state)}`).join(", ");
    say(summary, counted + (contact.more ? " (of the newest 1000 jobs)" : ""));
    show(empty, shown.length === 0);
    if (shown.length > 0) return;
    replace(empty, jobs.size > 0 ? h("p", {}, "No job fits the filter.")
      : contact.heard ? [h("h2", {}, "No jobs yet"), h("p", {}, "Plan one and look at what it would do, then submit it:"),
        h("pre", {}, "backfillctl plan job.json\nbackfillctl submit job.json --watch")]
        : h("p", {}, "Asking the daemon…"));
  }

  // Many jobs change at once, twice a second: one drawing for all of them.
  function soon() {
    if (!scheduled) requestAnimationFrame(draw);
    scheduled = true;
  }
  draw();
  const stops = [on("jobs", soon), on("contact", soon)];
  const ages = setInterval(soon, 1000);
  return () => {
    clearInterval(ages);
    stops.forEach((stop) => stop());
  };
}
