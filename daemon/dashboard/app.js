// The frame: pages by the address behind the #, whether the daemon is in touch, and pause-all.
import {h, replace, say, show} from "./dom.js";
import * as format from "./format.js";
import {get} from "./api.js";
import {contact, jobs, on, reload, start} from "./live.js";
import {jobPage} from "./job.js";
import {listPage} from "./list.js";
import {targetsPage} from "./targets.js";
import * as questions from "./questions.js";
import {ask, isOffered, me, showWho, signInPage} from "./who.js";

const PATIENCE = 1500, LATCHES_EVERY = 10000;
const main = document.getElementById("main");
let leave = null;

// What stands in the address is anybody's: a broken escape is no reason for an empty page.
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function route() {
  leave?.();
  const [page, rest] = location.hash.replace(/^#\/?/, "").split("/");
  const name = page === "targets" ? "targets" : "jobs";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.page === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const one = page === "jobs" && rest;
  document.body.dataset.page = one ? "job" : name;
  document.title = `backfilld – ${name}`; // a job's page says more
  leave = page === "targets" ? targetsPage(main) : one ? jobPage(main, decoded(rest)) : listPage(main);
  window.scrollTo(0, 0);
}

// Loudly, with the age of what is shown; a short gap, such as a restart, is not worth a word.
function showContact() {
  const badge = document.getElementById("contact"), alarm = document.getElementById("alarm");
  const away = !contact.live && Date.now() - contact.since > PATIENCE;
  badge.className = `contact ${contact.live ? "live" : "away"}`;
  say(badge, contact.live ? "live" : away ? "disconnected" : "connecting");
  document.body.classList.toggle("stale", away);
  show(alarm, away);
  if (!away) return;
  // What is read aloud stays the same; the age beside it counts on.
  const [told, age] = alarm.children;
  say(told, `Disconnected. The daemon does not answer; trying again.${
    contact.heard ? ` What you see is as of ${format.clock(contact.heard)}.` : ""}`);
  say(age, contact.heard ? `That is ${format.since(contact.heard)} old.` : "");
}

const states = new Map();

// Another state, or another reason, is said to who does not see it; the first sight of a job is none, and neither is a value that
// moves, or a time that counts on.
function announce(id) {
  const job = jobs.get(id);
  if (!job) return;
  const state = format.stateText(job), before = states.get(id), now = [state, job.reason?.code, job.reason?.signal].join("/");
  states.set(id, now);
  if (before && before !== now) say(document.getElementById("told"), `${job.name} is ${state}. ${format.reasonText(job)}`);
}

function latchText(latch) {
  const scope = latch.target ? `All jobs on ${latch.target}` : latch.label ? `All jobs with ${latch.label}` : "All jobs";
  return `${scope} are paused by ${latch.by} for ${format.since(latch.since)}${latch.reason ? `: ${latch.reason}` : ""}.`;
}

let latchLines = [], latchesDrawn = "", latched = false;

// A role for some targets pauses these: backfillctl pause-all --target.
const mayLatch = async (latch) => (!me.targets || Boolean(latch?.target)) && isOffered("post", "/v1/pause-all");
const showPauseAll = async () => show(document.getElementById("pause-all"), (await mayLatch()) && !latched);

// Drawn anew when they are others only: whose focus is on a button keeps it there.
async function showLatches() {
  const place = document.getElementById("latches");
  try {
    const {targets} = await get("/v1/targets");
    const seen = new Map();
    for (const latch of targets.flatMap((target) => target.latches ?? [])) seen.set(`${latch.target} ${latch.label}`, latch);
    const latches = [...seen.values()], drawn = JSON.stringify(latches);
    if (drawn !== latchesDrawn) {
      const may = await Promise.all(latches.map(mayLatch));
      latchesDrawn = drawn;
      latchLines = latches.map(() => h("span"));
      replace(place, latches.map((latch, at) => h("p", {class: "latch"}, latchLines[at],
        may[at] && h("button", {type: "button", onclick: () => questions.resumeAll(latch, afterLatch)}, "Resume all"))));
    }
    latches.forEach((latch, at) => say(latchLines[at], latchText(latch)));
    show(place, latches.length > 0);
    latched = latches.some((latch) => !latch.target && !latch.label);
    showPauseAll();
  } catch {
    // What was known stays; the alarm says how old it is.
  }
}

function afterLatch() {
  showLatches();
  reload();
}

// What stands behind the # names the page: the link goes to its content without going to another.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
document.getElementById("pause-all").addEventListener("click", () => {
  const states = ["running", "verifying", "queued", "rolling_back"];
  questions.pauseAll([...jobs.values()].filter((job) => states.includes(job.state)).length, afterLatch);
});
on("contact", showContact);
on("jobs", (id) => (id === null ? [...jobs.keys()] : [id]).forEach(announce));
on("event", (event) => /_all$/.test(event.type) && showLatches());
function begin() {
  window.addEventListener("hashchange", () => {
    route();
    main.focus({preventScroll: true});
  });
  setInterval(showContact, 500);
  setInterval(showLatches, LATCHES_EVERY);
  showWho();
  showPauseAll();
  route();
  start();
  showLatches();
}

// Who is nobody is asked for a token, and nothing else is asked of the daemon. While it is away the page says so, and tries.
async function enter() {
  try {
    if (await ask()) {
      begin();
    } else {
      document.querySelector("nav").hidden = true;
      document.getElementById("contact").hidden = true;
      signInPage(main);
    }
  } catch {
    showContact();
    setTimeout(enter, PATIENCE);
  }
}

enter();
