// One job's series, for its charts: the whole of the time that is shown, page by page, then what is new of it; and no more points
// than a chart has room for.
import {get, jobPath} from "./api.js";

export const RANGES = [
  {name: "10 minutes", step: "1s", span: 1, seconds: 600, every: 2000},
  {name: "a day", step: "10s", span: 10, seconds: 86400, every: 20000},
  {name: "a month", step: "1m", span: 60, seconds: 30 * 86400, every: 60000},
];
const LIMIT = 2000, POINTS = 1000;

const at = (sample) => Date.parse(sample.at);

// The worst value of each signal, as the daemon does it.
function worst(signals, more) {
  for (const [name, {value, limit}] of Object.entries(more ?? {})) {
    const known = signals[name];
    signals[name] = {value: known && known.value > value ? known.value : value, limit};
  }
}

// Neighbours made one, `times` of them each; `seconds` is what was really sampled of it.
function merge(samples, span, times) {
  const made = [], width = span * times * 1000;
  for (const sample of samples) {
    const begin = Math.floor(at(sample) / width) * width, last = made.at(-1);
    if (last?.begin !== begin) {
      made.push({...sample, begin, at: times === 1 ? sample.at : new Date(begin).toISOString(), seconds: span,
        signals: times === 1 ? sample.signals : structuredClone(sample.signals)});
      continue;
    }
    const batches = last.batches + sample.batches;
    if (sample.batches > 0) {
      last.batch_seconds = ((last.batch_seconds ?? 0) * last.batches + sample.batch_seconds * sample.batches) / batches;
    }
    for (const name of ["rows_scanned", "rows_changed", "sleep_seconds", "hold_seconds"]) last[name] += sample[name];
    Object.assign(last, {batches, batch_rows: sample.batch_rows, seconds: last.seconds + span});
    worst(last.signals, sample.signals);
  }
  return made;
}

// `draw({samples, step, complete})`: at first with what is there soon, then with all of it, then with what is new. Times are the
// daemon's own, for the reader's clock may be another.
export function seriesOf(job, range, draw) {
  let samples = [], complete = false, closed = false, timer = null;

  function show() {
    const length = samples.length > 1 ? (at(samples.at(-1)) - at(samples[0])) / 1000 / range.span : 0;
    const times = Math.max(1, Math.ceil(length / POINTS));
    // The span that is not over has done little yet; a second is one that is.
    const open = range.span > 1 && samples.length > 1 && Date.now() - at(samples.at(-1)) < range.span * 1000;
    draw({samples: merge(open ? samples.slice(0, -1) : samples, range.span, times), step: range.span * times, complete});
  }

  const ask = (since) => get(jobPath(job, `/samples?step=${range.step}&limit=${LIMIT}${since ? `&since=${since}` : ""}`));

  // From `since` on to what is known, or to the end.
  async function readOn(since, end) {
    const found = [];
    do {
      const page = await ask(since);
      if (closed) return found;
      found.push(...page.samples);
      since = page.next;
    } while (since && (!end || since < end));
    return end ? found.filter((sample) => sample.at < end) : found;
  }

  async function begin() {
    samples = (await ask(null)).samples;
    if (!closed && samples.length === LIMIT) {
      show();
      const first = new Date(at(samples.at(-1)) - range.seconds * 1000).toISOString();
      if (first < samples[0].at) samples.unshift(...await readOn(first, samples[0].at));
    }
    complete = true;
  }

  // The last one may have grown since.
  async function goOn() {
    const last = samples.at(-1), found = last ? await readOn(last.at, null) : (await ask(null)).samples;
    if (last && found.length > 0 && found[0].at === last.at) samples.pop();
    samples.push(...found);
    const oldest = samples.length ? new Date(at(samples.at(-1)) - range.seconds * 1000).toISOString() : "";
    const kept = samples.findIndex((sample) => sample.at >= oldest);
    if (kept > 0) samples.splice(0, kept);
  }

  async function read() {
    try {
      await (complete ? goOn() : begin());
      if (closed) return;
      show();
    } catch {
      // The page says by itself that the daemon is out of touch.
    }
    if (!closed) timer = setTimeout(read, range.every);
  }
  show();
  read();
  return {
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}
