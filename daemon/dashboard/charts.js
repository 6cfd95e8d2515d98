// Charts of one job's series, by Chart.js. Spans in which the job held are shaded, limits are lines; every chart has its
// newest numbers as text beside it, for those who do not see it.
import {h, say} from "./dom.js";
import * as format from "./format.js";
import {get, jobPath} from "./api.js";

const RANGES = [
  {name: "10 minutes", step: "1s", seconds: 600, every: 2000},
  {name: "a day", step: "10s", seconds: 86400, every: 20000},
  {name: "a month", step: "1m", seconds: 30 * 86400, every: 60000},
];
const LIMIT = 2000;

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return {
    lines: [of("--line-1"), of("--line-2")], limit: of("--bad"), grid: of("--border"), text: of("--quiet"),
    hold: of("--hold"),
  };
}

// Shades what is between two points wherever more than half of the span was spent holding.
const holds = {
  id: "holds",
  beforeDatasetsDraw(chart) {
    const {ctx, chartArea, scales} = chart;
    const spans = chart.options.plugins.holds?.spans ?? [];
    ctx.save();
    ctx.fillStyle = colours().hold;
    for (const [from, to] of spans) {
      const left = Math.max(scales.x.getPixelForValue(from), chartArea.left);
      const right = Math.min(scales.x.getPixelForValue(to), chartArea.right);
      if (right > left) ctx.fillRect(left, chartArea.top, right - left, chartArea.bottom - chartArea.top);
    }
    ctx.restore();
  },
};

function tick(value, seconds) {
  const text = format.clock(value);
  return seconds > 86400 ? text.slice(5, 10) : seconds > 600 ? text.slice(11, 16) : text.slice(11);
}

function makeChart(title, names, unit) {
  const canvas = h("canvas", {role: "img", "aria-label": title}), newest = h("span", {class: "newest"});
  const element = h("figure", {class: "chart"},
    h("figcaption", {}, h("b", {}, title), " ", newest), h("div", {class: "canvas"}, canvas));
  const set = colours();
  let seconds = 600;
  const chart = new window.Chart(canvas, {
    type: "line",
    data: {datasets: names.map((name, at) => ({
      label: name, data: [], borderColor: name === "limit" ? set.limit : set.lines[at % 2],
      borderDash: name === "limit" ? [6, 4] : name === "changed" ? [4, 3] : [],
      order: -at, borderWidth: 1.5, pointRadius: 0, spanGaps: false,
    }))},
    plugins: [holds],
    options: {
      animation: false, parsing: false, normalized: true, responsive: true, maintainAspectRatio: false,
      interaction: {mode: "nearest", axis: "x", intersect: false},
      scales: {
        x: {
          type: "linear", grid: {color: set.grid},
          ticks: {color: set.text, maxTicksLimit: 6, maxRotation: 0, callback: (value) => tick(value, seconds)},
        },
        y: {
          beginAtZero: true, grid: {color: set.grid},
          ticks: {
            color: set.text, maxTicksLimit: 5, callback: (value) => unit(value),
            precision: unit === format.number ? 0 : undefined, // no half of a row
          },
        },
      },
      plugins: {
        legend: {display: names.length > 1, labels: {color: set.text, boxWidth: 12, boxHeight: 2}},
        tooltip: {callbacks: {
          title: (items) => format.clock(items[0].parsed.x),
          label: (item) => `${item.dataset.label}: ${unit(item.parsed.y)}`,
        }},
        holds: {spans: []},
      },
    },
  });
  return {
    element, chart,
    set(series, spans, from, to, step) {
      seconds = (to - from) / 1000;
      // A second without the end of a batch is no gap; a pause is.
      series.forEach((data, at) => { Object.assign(chart.data.datasets[at], {data, spanGaps: 5000 * step}); });
      chart.options.plugins.holds.spans = spans;
      Object.assign(chart.options.scales.x, {min: from, max: to});
      chart.update("none");
      const last = series.map((data) => data.findLast((point) => point.y !== null)?.y);
      const named = (name) => (names.length > 1 ? `${name} ` : "");
      const text = names.map((name, at) => (last[at] === undefined ? null : `${named(name)}${unit(last[at])}`))
        .filter(Boolean).join(", ");
      say(newest, text);
      canvas.setAttribute("aria-label", `${title}: ${text ? `newest ${text}` : "nothing yet"}`);
    },
  };
}

// A gap in the series is a gap in the line.
function line(samples, step, value) {
  const points = [];
  let before = null;
  for (const sample of samples) {
    const x = Date.parse(sample.at);
    if (before !== null && x - before > 2.5 * step * 1000) points.push({x: before + step * 1000, y: null});
    points.push({x, y: value(sample)});
    before = x;
  }
  return points;
}

function holdSpans(samples, step) {
  const spans = [];
  for (const sample of samples) {
    if (sample.hold_seconds < step / 2) continue;
    const from = Date.parse(sample.at), last = spans.at(-1);
    if (last && from <= last[1] + step * 1000) last[1] = from + step * 1000;
    else spans.push([from, from + step * 1000]);
  }
  return spans;
}

export function chartsOf(job) {
  const until = job.ended_at ? Date.parse(job.ended_at) : Date.now();
  const lasted = (until - Date.parse(job.started_at ?? job.created_at)) / 1000;
  const old = job.ended_at && Date.now() - until > 540000;
  let range = old ? (lasted > 86400 ? RANGES[2] : RANGES[1]) : RANGES[0];
  let samples = [], timer = null, closed = false, ended = job.ended_at;
  const rate = makeChart("Rows a second", ["scanned", "changed"], format.number);
  const rows = makeChart("Rows of a batch", ["rows"], format.number);
  const time = makeChart("Time of a batch", ["time"], (value) => format.duration(value) || "0");
  const signals = new Map(), wall = h("div", {class: "charts"}, rate.element, rows.element, time.element);
  const note = h("p", {class: "quiet", role: "status"});
  const picks = RANGES.map((each) => h("button", {type: "button", onclick: () => pick(each)}, each.name));
  const heading = h("div", {class: "heading"}, h("h2", {}, "Charts"),
    h("div", {class: "picks", role: "group", "aria-label": "Time shown"}, picks));
  const element = h("section", {"aria-label": "Charts"}, heading, note, wall);

  function draw() {
    const step = {"1s": 1, "10s": 10, "1m": 60}[range.step];
    // What has ended is shown from its end backwards, a short job in full width.
    const newest = samples.length ? Date.parse(samples.at(-1).at) + step * 1000 : Date.now();
    const to = ended ? newest : Date.now(), reach = range.seconds * 1000;
    const first = samples.length ? Date.parse(samples[0].at) : to - reach;
    const from = Math.max(to - reach, Math.min(first, to - Math.min(reach, (ended ? 5 : 60) * step * 1000)));
    const spans = holdSpans(samples, step);
    const series = (value) => line(samples, step, value);
    const rates = [series((sample) => sample.rows_scanned / step), series((sample) => sample.rows_changed / step)];
    rate.set(rates, spans, from, to, step);
    rows.set([series((sample) => sample.batch_rows)], spans, from, to, step);
    time.set([series((sample) => sample.batch_seconds)], spans, from, to, step);
    for (const name of new Set(samples.flatMap((sample) => Object.keys(sample.signals ?? {})))) {
      if (!signals.has(name)) {
        const hundredths = (value) => String(Math.round(value * 100) / 100);
        signals.set(name, makeChart(`Signal ${name.replace(/^signal:/, "")}`, ["value", "limit"], hundredths));
        wall.append(signals.get(name).element);
      }
      const part = (key) => series((sample) => sample.signals?.[name]?.[key] ?? null);
      signals.get(name).set([part("value"), part("limit")], spans, from, to, step);
    }
    say(note, samples.length ? (spans.length ? "Shaded: the job held or backed off." : "") : "No samples in this time.");
    picks.forEach((button, at) => button.setAttribute("aria-pressed", String(RANGES[at] === range)));
  }

  async function read() {
    clearTimeout(timer);
    const asked = range;
    try {
      const page = await get(jobPath(job.id, `/samples?step=${asked.step}&limit=${LIMIT}`));
      if (closed || asked !== range) return;
      samples = page.samples;
      draw();
    } catch {
      // The page says by itself that the daemon is out of touch.
    }
    if (!closed) timer = setTimeout(read, asked.every);
  }

  function pick(wanted) {
    range = wanted;
    samples = [];
    draw();
    read();
  }
  draw();
  read();
  return {
    element,
    end(at) { ended = at; },
    close() {
      closed = true;
      clearTimeout(timer);
      for (const each of [rate, rows, time, ...signals.values()]) each.chart.destroy();
    },
  };
}
