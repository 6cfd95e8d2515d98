// One job: where it stands and why, what can be done about it, its charts, time ledger, events, plan and document.
import {bar, facts, h, refresh, replace, say, show} from "./dom.js";
import * as format from "./format.js";
import {get, jobPath} from "./api.js";
import {jobs, on, put} from "./live.js";
import {chartsOf} from "./charts.js";
import {badRows} from "./badrows.js";
import {planSection} from "./plan.js";
import {wayBack} from "./wayback.js";
import * as questions from "./questions.js";
import {isOffered} from "./who.js";

const EVENTS_MAX = 200;

function eventRow(event) {
  const moved = [event.from, event.to].filter(Boolean).map(format.words).join(" → ");
  const what = moved || format.words(event.type);
  return h("li", {"data-id": String(event.id)},
    h("time", {datetime: event.at, title: event.at}, format.clock(event.at)), h("span", {class: "what"}, what),
    h("span", {class: "who"}, event.actor), h("span", {class: "text"}, event.text));
}

function eventList(job) {
  const list = h("ol", {class: "events", reversed: true, tabindex: "0", "aria-label": "Events, newest first"}), trouble = h("p", {class: "quiet", hidden: true});
  const known = new Set();
  function add(event) {
    if (known.has(event.id)) return;
    known.add(event.id);
    const after = [...list.children].find((row) => Number(row.dataset.id) < event.id);
    list.insertBefore(eventRow(event), after ?? null);
    if (list.children.length > EVENTS_MAX) list.lastChild.remove();
  }
  async function read() {
    try {
      (await get(jobPath(job.id, `/events?limit=${EVENTS_MAX}`))).events.forEach(add);
      show(trouble, false);
    } catch (error) {
      say(trouble, `The events cannot be read: ${error.message}`);
      show(trouble, true);
    }
  }
  read();
  const stops = [on("event", (event) => event.job === job.id && add(event)), on("jobs", (id) => id === null && read())];
  return {
    element: h("section", {"aria-label": "Events"}, h("h2", {}, "Events"), trouble, list),
    close: () => stops.forEach((stop) => stop()),
  };
}

// The time ledger as one bar; what it says stands in words below.
function ledger() {
  const strip = h("div", {class: "ledger", "aria-hidden": "true"}), words = h("ul", {class: "ledger-words"});
  const title = "Where the time went";
  const element = h("section", {"aria-label": title, hidden: true}, h("h2", {}, title), strip, words);
  let drawn = "";
  return {
    element,
    set(seconds) {
      const parts = Object.entries(seconds ?? {}).filter(([, time]) => time > 0).sort((one, other) => other[1] - one[1]);
      const total = parts.reduce((sum, [, time]) => sum + time, 0);
      const text = JSON.stringify(parts.map(([name, time]) => [name, Math.round(time)]));
      show(element, total > 0);
      if (text === drawn || total === 0) return;
      drawn = text;
      const kindOf = (name) => name.split(/[/:]/)[0];
      replace(strip, parts.map(([name, time]) => {
        const part = h("span", {class: `part ${kindOf(name)}`});
        part.style.flexGrow = String(time / total);
        return part;
      }));
      replace(words, parts.map(([name, time]) => h("li", {},
        h("span", {class: `dot ${kindOf(name)}`, "aria-hidden": "true"}),
        `${format.words(name).replace(/[/]/, ", ").replace("signal:", "signal ")}: ${format.duration(time)} (${format.percent(time / total)})`)));
    },
  };
}

// What stops the job by itself: the condition, and what was seen last.
function triggerList() {
  const list = h("ul", {class: "triggers"});
  const element = h("section", {"aria-label": "Triggers", hidden: true}, h("h2", {}, "Triggers"), list);
  const number = (value) => Number(value.toPrecision(4)).toString();
  function line(document, seen) {
    const what = document.signal ?? (document.source ? `source ${document.source}` : "its query");
    const limit = document.above !== undefined ? `above ${document.above}` : `below ${document.below}`;
    const condition = `${what} ${limit}${document.for ? ` for ${document.for}` : ""}: ${document.then ?? "pause"}`;
    const value = seen.value === null ? "no value yet" : `is ${number(seen.value)}`;
    const since = seen.true_seconds === null ? "" : `, true for ${format.duration(seen.true_seconds)}`;
    return h("li", {class: seen.true_seconds === null ? "" : "holds"}, h("b", {}, document.name), ` ${condition} · ${value}${since}`,
      seen.trouble && h("span", {class: "quiet"}, ` · ${seen.trouble}`));
  }
  return {
    element,
    set(job) {
      const documents = job.document?.triggers ?? [];
      show(element, documents.length > 0);
      replace(list, documents.map((document, at) => line(document, job.triggers?.[at] ?? {value: null, true_seconds: null})));
    },
  };
}

// What was done so far, in the direction in which the job goes.
function numbersOf(job) {
  const {progress, rollback} = job;
  if (rollback) {
    const of = rollback.rows === null ? "" : ` of ${format.number(rollback.rows)}`;
    if (job.undo?.by === "inverse") {
      return [`${format.count(rollback.rows_restored, "row")} changed back`,
        `${format.number(rollback.rows_seen)}${of} looked at`, format.rate(progress.rate)];
    }
    return [`${format.count(rollback.rows_restored, "change")} taken back`,
      rollback.conflicts > 0 ? `${format.count(rollback.conflicts, "conflict")} left alone` : "no conflicts",
      `${format.number(rollback.rows_seen)}${of} looked at`, format.rate(progress.rate, "changes")];
  }
  const bad = [["rows_bad", "bad"], ["rows_set_aside", "set aside"]].filter(([name]) => progress[name] > 0)
    .map(([name, word]) => `${format.number(progress[name])} ${word}`);
  const of = progress.rows_estimated > progress.rows_scanned ? ` of about ${format.number(progress.rows_estimated)}` : "";
  return [`${format.number(progress.rows_changed)} rows changed`, `${format.number(progress.rows_scanned)}${of} scanned`,
    format.rate(progress.rate), ...bad, progress.pass > 1 ? `pass ${progress.pass}` : ""];
}

function build(main, first) {
  const state = h("span", {class: "state"}), said = h("span"), dot = h("span"), age = h("span", {class: "since"}); // read aloud when it is another: app.js
  const why = h("p", {class: "reason", hidden: true}, said, dot, age);
  const done = bar("Progress"), share = h("b", {class: "share"}), left = h("span", {class: "left"});
  const numbers = h("p", {class: "numbers"});
  const seconds = ledger(), triggers = triggerList(), charts = chartsOf(first), events = eventList(first);
  const plan = planSection(), back = wayBack(first), bad = badRows(first);
  let turned = false, planFirst = false;
  const buttonOf = (order) => h("button", {
    type: "button", hidden: true, "aria-label": `${questions.orderTitle(order)} ${first.name}`,
    class: questions.isDanger(order) ? "danger" : order === "approve" || order === "resume" ? "primary" : "",
    onclick: () => questions.giveOrder(order, jobs.get(first.id) ?? first),
  }, questions.orderTitle(order));
  const buttons = new Map(questions.orders.map((order) => [order, buttonOf(order)]));
  const possible = new Map();
  const details = h("div", {class: "details"});
  const documentText = h("pre", {tabindex: "0"});
  replace(main, h("div", {class: "top"},
    h("p", {class: "crumbs"}, h("a", {href: "#/"}, "Jobs"), h("span", {class: "behind"}, ` / ${first.id}`)),
    h("div", {class: "title"}, h("h1", {}, first.name), state),
    why,
    h("div", {class: "progress-line"}, done.element, share, left),
    numbers,
    h("div", {class: "orders", role: "group", "aria-label": "Orders"}, [...buttons.values()]),
  ), h("p", {class: "description"}, first.description ?? ""), charts.element, seconds.element, triggers.element, bad.element, back.elements,
  events.element, details, plan.element,
  h("section", {"aria-label": "Document"}, h("h2", {}, "Document"), documentText));

  function update(job) {
    const progress = job.progress, percent = format.percent(progress.fraction), eta = format.eta(job);
    state.className = `state ${format.kind(job)}`;
    say(state, format.stateText(job));
    const reason = job.reason;
    show(why, Boolean(reason));
    why.className = `reason ${format.kind(job)}`;
    if (reason) {
      say(said, [format.reasonText(job), reason.until && `until ${format.clock(reason.until)}`].filter(Boolean).join(" · "));
      say(dot, reason.since ? format.DOT : "");
      say(age, reason.since ? `for ${format.since(reason.since)}` : "");
      why.title = `${reason.code}${reason.since ? ` since ${reason.since}` : ""}`;
    }
    done.element.classList.toggle("done", job.state === "completed");
    done.set(progress.fraction, percent, format.goesBack(job));
    say(share, format.goesBack(job) ? `${percent} back` : percent);
    say(left, eta ? `${eta} left` : format.isEnded(job) && job.ended_at ? `ended ${format.clock(job.ended_at)}` : "");
    say(numbers, numbersOf(job).filter(Boolean).join(" · "));
    back.update(job);
    bad.update(job);
    show(charts.element, Boolean(job.started_at));
    // Before it is approved nothing matters more than what it would do.
    const asked = job.state === "planning" || job.state === "awaiting_approval";
    if (asked !== planFirst) (asked ? charts.element.before(plan.element) : details.after(plan.element));
    planFirst = asked;
    if (job.rollback && !turned) charts.element.before(...back.elements); // by now it is what matters most
    turned = Boolean(job.rollback);
    for (const [order, button] of buttons) {
      const shown = questions.isPossible(order, job) && possible.get(order) === true;
      if (!shown && document.activeElement === button) questions.keepFocus();
      show(button, shown);
    }
    seconds.set(progress.seconds);
    triggers.set(job);
    plan.update(job);
    if (job.ended_at) charts.end(job.ended_at);
    refresh(details, facts([["Table", job.table], ["Target", job.target], ["Owner", job.owner],
      ["Labels", Object.entries(job.labels ?? {}).map(([name, value]) => `${name}=${value}`).join(", ")],
      ["Submitted", `${format.clock(job.created_at)}${job.submitted_by ? ` by ${job.submitted_by}` : ""}`],
      ["Approved by", job.break_glass ? `${job.approved_by} alone. BREAK GLASS: ${job.break_glass}` : job.approved_by], ["Started", format.clock(job.started_at)],
      ["Batches", format.number(progress.batches)], ["Next batch", `${format.number(progress.batch_rows)} rows`],
      ["Gave way to others", progress.yields > 0 ? `${format.number(progress.yields)} times` : ""],
      ["Taken up again", progress.resumed > 0 ? `${progress.resumed} times` : ""]]));
    say(documentText, JSON.stringify(job.document, null, 2));
  }
  for (const order of questions.orders) {
    isOffered("post", `/v1/jobs/{job}/${order}`).then((offered) => {
      possible.set(order, offered);
      if (jobs.has(first.id)) update(jobs.get(first.id));
    });
  }
  return {update, close() { charts.close(); events.close(); }};
}

export function jobPage(main, wanted) {
  let page = null, id = null, closed = false;
  replace(main, h("p", {class: "empty"}, "Asking the daemon…"));

  function show_(job) {
    id = job.id;
    page ??= build(main, job);
    page.update(job);
    document.title = `${format.percent(job.progress.fraction)} ${job.name} – ${format.stateText(job)}`;
  }
  async function ask() {
    try {
      const job = await get(jobPath(wanted));
      if (closed) return;
      put(job);
      if (!page) show_(jobs.get(job.id));
    } catch (error) {
      if (closed || (page && error.status !== 404)) return;
      page?.close(); // it is forgotten
      page = null;
      replace(main, h("div", {class: "empty"}, h("p", {}, error.message), h("p", {}, h("a", {href: "#/"}, "All jobs"))));
    }
  }
  ask();
  const refresh = () => jobs.has(id) && show_(jobs.get(id));
  const stops = [on("jobs", (changed) => {
    // The list holds the newest jobs only: an older one is asked for by itself.
    if (changed === null && !jobs.has(id)) ask();
    else if (id && (changed === id || changed === null)) refresh();
  })];
  const ages = setInterval(refresh, 1000);
  return () => {
    closed = true;
    clearInterval(ages);
    stops.forEach((stop) => stop());
    page?.close();
  };
}
