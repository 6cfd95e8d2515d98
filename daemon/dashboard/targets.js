// The targets: signals against their limits, replicas, what is set aside or ignored and why.
import {bar, h, refresh, replace} from "./dom.js";
import * as format from "./format.js";
import {get} from "./api.js";

const EVERY = 2000, NUMBERS = new Set(["Value", "Limit", "Age", "Lag"]);

function amount(value, unit) {
  if (value === null || value === undefined) return "not measured";
  if (unit === "s") return format.duration(value) || "0 s";
  if (unit?.startsWith("bytes")) return `${format.number(value / 1024)} KiB${unit.slice(5)}`;
  return `${format.hundredths(value)}${unit ? ` ${unit}` : ""}`;
}

function signalRow(signal) {
  const share = signal.limit && signal.value !== null ? Math.min(1, signal.value / signal.limit) : null;
  const level = bar(`${signal.name} against its limit`);
  const old = signal.stale && signal.age_seconds !== null;
  level.set(share, share === null ? "no limit" : format.percent(share));
  const over = share !== null && share >= 1;
  level.element.classList.toggle("over", over);
  const free = signal.limit === null, number = (text) => h("td", {class: "number"}, text);
  return h("tr", {class: over || old ? "over" : ""}, h("th", {scope: "row"}, signal.name, signal.text && h("span", {class: "who-is"}, signal.text)),
    number(amount(signal.value, signal.unit)), number(free ? "–" : amount(signal.limit, signal.unit)),
    h("td", {class: "level"}, free ? "" : level.element),
    number(signal.age_seconds === null ? "" : `${signal.age_seconds.toFixed(1)} s`));
}

function replicaRow(replica) {
  const lag = replica.lag_seconds ?? null, until = replica.until && `until ${format.clock(replica.until)}`;
  return h("tr", {class: replica.state === "heeded" ? "" : "over"},
    h("th", {scope: "row"}, replica.name), h("td", {}, format.words(replica.state)),
    h("td", {class: "number"}, lag === null ? "not measured" : format.duration(lag)),
    h("td", {}, [replica.trouble, replica.reason, until].filter(Boolean).join(" · ")));
}

function foreignRow(job) {
  const owner = job.owner_may_live ? `another daemon: ${job.owner}` : "gone: backfillctl adopt takes it over";
  return h("tr", {}, h("th", {scope: "row", title: job.id}, job.name), h("td", {}, job.table ?? ""), h("td", {}, format.words(job.state)),
    h("td", {}, `${format.since(job.seen_at)} ago`), h("td", {}, owner));
}

function table(name, caption, heads, rows) {
  const titles = heads.map((head) => h("th", {scope: "col", class: NUMBERS.has(head) ? "number" : null}, head));
  return h("table", {class: `plain ${name}`}, h("caption", {}, caption), h("thead", {}, h("tr", {}, titles)), h("tbody", {}, rows));
}

function latchText(latch) {
  return `Paused as a whole by ${latch.by}, for ${format.since(latch.since)}${latch.reason ? `: ${latch.reason}` : ""}`;
}

function card(target) {
  const seen = target.reachability === "reachable" ? "good" : "bad";
  const what = [target.engine, target.version, format.words(target.role ?? "")].filter(Boolean).join(" · ");
  const signals = target.signals ?? [], replicas = target.replicas ?? [], foreign = target.foreign_jobs ?? [];
  return h("section", {class: "target", "aria-label": `Target ${target.name}`},
    h("h2", {}, target.name, " ", target.reachability && h("span", {class: `state ${seen}`}, target.reachability)),
    h("p", {class: "quiet"}, what),
    [target.trouble, target.monitor_trouble].map((trouble) => trouble && h("p", {class: "reason bad"}, trouble)),
    h("p", {}, `${target.running} running, ${target.queued} queued`,
      target.max_jobs ? ` (at most ${target.max_jobs} at once)` : ""),
    (target.latches ?? []).map((latch) => h("p", {class: "reason waits"}, latchText(latch))),
    signals.length > 0 && table("signals", "Signals", ["Signal", "Value", "Limit", "Of the limit", "Age"], signals.map(signalRow)),
    replicas.length > 0 && table("replicas", "Replicas", ["Replica", "State", "Lag", "Why"], replicas.map(replicaRow)),
    foreign.length > 0 && table("foreign", "Jobs of others", ["Job", "Table", "State", "Last written", "Owner"], foreign.map(foreignRow)),
    signals.length === 0 && h("p", {class: "quiet"}, "Its signals are measured while jobs of it run."));
}

export function targetsPage(main) {
  const place = h("div", {class: "targets"}, h("p", {class: "empty"}, "Asking the daemon…"));
  replace(main, h("h1", {}, "Targets"), place);
  let timer = null, closed = false;
  async function read() {
    try {
      const {targets} = await get("/v1/targets");
      if (closed) return;
      const none = "No target is configured: backfilld.ini has no [target NAME].";
      refresh(place, targets.length ? targets.map(card) : h("p", {class: "empty"}, none));
    } catch {
      // The page says by itself that the daemon is out of touch.
    }
    if (!closed) timer = setTimeout(read, EVERY);
  }
  read();
  return () => {
    closed = true;
    clearTimeout(timer);
  };
}
