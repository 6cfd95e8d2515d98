// Charts of one job's series, by Chart.js. Spans in which the job held are shaded, limits are lines; every chart has its
// newest numbers as text beside it, for those who do not see it.
import {h, say} from "./dom.js";
import * as format from "./format.js";
import {RANGES, seriesOf} from "./series.js";

const dark = matchMedia("(prefers-color-scheme: dark)");

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
  if (seconds > 3 * 86400) return text.slice(5, 10);
  return seconds > 86400 ? text.slice(5, 16) : seconds > 600 ? text.slice(11, 16) : text.slice(11);
}

// A point that no line leads to or from is a dot.
function dots(data, gap) {
  const known = data.filter((point) => point.y !== null), alone = new Set();
  known.forEach(({x}, at) => {
    if (!(at > 0 && x - known[at - 1].x <= gap) && !(at + 1 < known.length && known[at + 1].x - x <= gap)) alone.add(x);
  });
  return data.map((point) => (point.y !== null && alone.has(point.x) ? 2 : 0));
}

function makeChart(title, names, unit) {
  const canvas = h("canvas", {role: "img", "aria-label": title}), newest = h("span", {class: "newest"});
  const element = h("figure", {class: "chart"},
    h("figcaption", {}, h("b", {}, title), " ", newest), h("div", {class: "canvas"}, canvas));
  let seconds = 600;
  const chart = new window.Chart(canvas, {
    type: "line",
    data: {datasets: names.map((name, at) => ({
      label: name, data: [], borderDash: name === "limit" ? [6, 4] : name === "changed" ? [4, 3] : [],
      order: -at, borderWidth: 1.5, pointRadius: 0, spanGaps: false,
    }))},
    plugins: [holds],
    options: {
      animation: false, parsing: false, normalized: true, responsive: true, maintainAspectRatio: false,
      interaction: {mode: "nearest", axis: "x", intersect: false},
      scales: {
        x: {
          type: "linear", grid: {},
          ticks: {maxTicksLimit: 6, maxRotation: 0, callback: (value) => tick(value, seconds)},
        },
        y: {
          beginAtZero: true, grid: {},
          ticks: {
            maxTicksLimit: 5, callback: (value) => unit(value),
            precision: unit === format.number ? 0 : undefined, // no half of a row
          },
        },
      },
      plugins: {
        legend: {display: names.length > 1, labels: {boxWidth: 12, boxHeight: 2}},
        tooltip: {callbacks: {
          title: (items) => format.clock(items[0].parsed.x),
          label: (item) => `${item.dataset.label}: ${unit(item.parsed.y)}`,
        }},
        holds: {spans: []},
      },
    },
  });
  // The page may change between light and dark while it is open.
  function paint() {
    const set = colours(), {scales, plugins} = chart.options;
    chart.data.datasets.forEach((dataset, at) => {
      const colour = names[at] === "limit" ? set.limit : set.lines[at % 2];
      Object.assign(dataset, {borderColor: colour, pointBackgroundColor: colour});
    });
    for (const scale of [scales.x, scales.y]) {
      scale.grid.color = set.grid;
      scale.ticks.color = set.text;
    }
    plugins.legend.labels.color = set.text;
    chart.update("none");
  }
  paint();
  return {
    element, chart, paint,
    set(series, spans, from, to, step) {
      seconds = (to - from) / 1000;
      // A second without the end of a batch is no gap; a pause is.
      series.forEach((data, at) => {
        const spanGaps = 5000 * step;
        Object.assign(chart.data.datasets[at], {data, spanGaps, pointRadius: dots(data, spanGaps)});
      });
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
    if (sample.hold_seconds < sample.seconds / 2) continue;
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
  let ended = job.ended_at, read = null;
  const rate = makeChart("Rows a second", ["scanned", "changed"], format.number);
  const rows = makeChart("Rows of a batch", ["rows"], format.number);
  const time = makeChart("Time of a batch", ["time"], (value) => format.duration(value) || "0");
  const signals = new Map(), wall = h("div", {class: "charts"}, rate.element, rows.element, time.element);
  const note = h("p", {class: "quiet", role: "status"});
  const picks = RANGES.map((each) => h("button", {type: "button", onclick: () => pick(each)}, each.name));
  const heading = h("div", {class: "heading"}, h("h2", {}, "Charts"),
    h("div", {class: "picks", role: "group", "aria-label": "Time shown"}, picks));
  const element = h("section", {"aria-label": "Charts"}, heading, note, wall);

  function draw({samples, step, complete}) {
    // What has ended is shown from its end backwards, a short job in full width.
    const newest = samples.length ? Date.parse(samples.at(-1).at) + step * 1000 : Date.now();
    const to = ended ? newest : Date.now(), reach = range.seconds * 1000;
    const first = samples.length ? Date.parse(samples[0].at) : to - reach;
    const from = Math.max(to - reach, Math.min(first, to - Math.min(reach, (ended ? 5 : 60) * step * 1000)));
    const spans = holdSpans(samples, step);
    const series = (value) => line(samples, step, value);
    const rates = [series((sample) => sample.rows_scanned / sample.seconds), series((sample) => sample.rows_changed / sample.seconds)];
    rate.set(rates, spans, from, to, step);
    rows.set([series((sample) => sample.batch_rows)], spans, from, to, step);
    time.set([series((sample) => sample.batch_seconds)], spans, from, to, step);
    for (const name of new Set(samples.flatMap((sample) => Object.keys(sample.signals ?? {})))) {
      if (!signals.has(name)) {
        signals.set(name, makeChart(`Signal ${name.replace(/^signal:/, "")}`, ["value", "limit"], format.hundredths));
        wall.append(signals.get(name).element);
      }
      const part = (key) => series((sample) => sample.signals?.[name]?.[key] ?? null);
      signals.get(name).set([part("value"), part("limit")], spans, from, to, step);
    }
    const none = complete ? "No samples in this time." : "Asking the daemon…";
    say(note, samples.length ? (spans.length ? "Shaded: the job held or backed off." : "") : none);
    picks.forEach((button, at) => button.setAttribute("aria-pressed", String(RANGES[at] === range)));
  }

  function pick(wanted) {
    range = wanted;
    read?.close();
    read = seriesOf(job.id, range, draw);
  }
  const all = () => [rate, rows, time, ...signals.values()];
  const repaint = () => all().forEach((each) => each.paint());
  dark.addEventListener("change", repaint);
  pick(range);
  return {
    element,
    end(at) { ended = at; },
    close() {
      read.close();
      dark.removeEventListener("change", repaint);
      for (const each of all()) each.chart.destroy();
    },
  };
}
