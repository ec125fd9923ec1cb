/* Charts by uPlot (vendor/), in the theme's colours: the price chart of a series and bars per hour. */

import { h } from "./dom.js";
import { CAUSES, isoOf, moment, price, seconds, short } from "./format.js";

const { uPlot } = window;
const FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const SHORTEST_SHADE = 2; // pixels: an hour must be seen among five years
const CAUSE_COLOURS = {
  open: "open-4",
  exchange_outage: "outage",
  suspension: "suspension",
  not_published: "not-published",
  pruned: "pruned",
};

/* What an axis of times says, by the distance of its marks in seconds: [distance, usual, at a new year, …, at a new day]. */
const TIMES = [
  [86400 * 365, "{YYYY}", null, null, null, null, null, null, 1],
  [86400 * 28, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [86400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
];

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function axis(extra) {
  const grid = { stroke: token("--line"), width: 1 };
  return { stroke: token("--quiet"), font: FONT, grid, ticks: { ...grid, size: 4 }, ...extra };
}

/* Rebuilds the chart where its box or the theme changes; returns {element, destroy}. */
function responsive(build, height, properties) {
  const element = h("div", { class: "chart", ...properties });
  let plot = null;
  let width = 0;
  const draw = () => {
    if (!element.clientWidth) return;
    plot?.destroy();
    width = element.clientWidth;
    plot = build(width, height(width), element);
  };
  const watch = new ResizeObserver(() => element.clientWidth !== width && draw());
  watch.observe(element);
  window.addEventListener("themechange", draw);
  return {
    element,
    plot: () => plot,
    destroy() {
      watch.disconnect();
      window.removeEventListener("themechange", draw);
      plot?.destroy();
    },
  };
}

/* Close as a line, volume as bars below, gaps and outages shaded by cause, revisions and listings marked.
   `zoomed(start, end)` gets a range in seconds; `told(text)` the values under the cursor. */
export function priceChart({ candles, gaps, outages, revisions, listings, zoomed, told, label }) {
  const data = [candles.t, candles.close, candles.volume];
  const shades = [
    ...outages.map((one) => ({ ...one, cause: "exchange_outage" })),
    ...gaps.filter((gap) => !gap.resolved_at),
  ].map((one) => ({ from: seconds(one.start), to: seconds(one.end), cause: one.cause }));
  const marks = revisions.map((revision) => seconds(revision.timestamp));
  const events = listings.flatMap((one) => [
    { at: seconds(one.listed_at), text: "listed" },
    ...(one.delisted_at ? [{ at: seconds(one.delisted_at), text: "delisted" }] : []),
  ]);

  function build(width, height, element) {
    const options = {
      width,
      height,
      tzDate: (timestamp) => uPlot.tzDate(new Date(timestamp * 1000), "Etc/UTC"),
      padding: [18, 26, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false, setScale: false } },
      scales: {
        x: { time: true, range: () => [seconds(candles.start), seconds(candles.end)] },
        y: { range: (_, low, high) => priceRange(low, high) },
        volume: { range: (_, low, high) => [0, (high || 1) * 4.5] },
      },
      axes: [
        axis({ space: 70, size: 40, values: TIMES }),
        axis({ size: 64, values: (_, ticks) => ticks.map((tick) => (tick < 0 ? "" : price(tick))) }),
      ],
      series: [
        {},
        { label: "close", stroke: token("--price"), width: 1.5, points: { show: false }, spanGaps: false },
        {
          label: "volume",
          scale: "volume",
          fill: token("--volume"),
          stroke: token("--volume"),
          width: 0,
          points: { show: false },
          paths: uPlot.paths.bars({ size: [0.8, 20], gap: 0 }),
        },
      ],
      hooks: {
        drawClear: [(plot) => shade(plot, shades)],
        draw: [(plot) => mark(plot, marks, events)],
        setSelect: [
          (plot) => {
            if (plot.select.width > 4)
              zoomed(plot.posToVal(plot.select.left, "x"), plot.posToVal(plot.select.left + plot.select.width, "x"));
          },
        ],
        setCursor: [(plot) => told(values(candles, shades, plot.cursor.idx))],
      },
    };
    return new uPlot(options, data, element);
  }

  const chart = responsive(build, (width) => (width < 600 ? 280 : 400), {
    role: "img",
    tabIndex: 0,
    "aria-label": label,
  });
  chart.element.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    const plot = chart.plot();
    if (!step || !plot) return;
    event.preventDefault();
    const last = candles.t.length - 1;
    const index = Math.max(0, Math.min(last, (plot.cursor.idx ?? (step > 0 ? -1 : last + 1)) + step));
    plot.setCursor({ left: plot.valToPos(candles.t[index], "x"), top: 10 });
  });
  return chart;
}

/* Room below the prices for the volume; a price that never moves is a line in the middle. */
function priceRange(low, high) {
  if (low === null) return [0, 1];
  const height = high - low || high * 0.1 || 1;
  return high === low ? [low - height, high + height] : [low - height * 0.4, high + height * 0.05];
}

function shade(plot, shades) {
  const { ctx, bbox } = plot;
  const ratio = window.devicePixelRatio || 1;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const { from, to, cause } of shades) {
    const left = plot.valToPos(from, "x", true);
    const width = Math.max(SHORTEST_SHADE * ratio, plot.valToPos(to, "x", true) - left);
    const colour = token(`--cell-${CAUSE_COLOURS[cause]}`);
    ctx.globalAlpha = 0.3;
    ctx.fillStyle = colour;
    ctx.fillRect(left, bbox.top, width, bbox.height);
    ctx.globalAlpha = 1;
    ctx.fillRect(left, bbox.top, width, 4 * ratio);
  }
  ctx.restore();
}

function mark(plot, revisions, events) {
  const { ctx, bbox } = plot;
  const ratio = window.devicePixelRatio || 1;
  const inside = (x) => x >= bbox.left - 1 && x <= bbox.left + bbox.width + 1;
  ctx.save();
  ctx.fillStyle = token("--revision");
  for (const time of revisions) {
    const x = plot.valToPos(time, "x", true);
    if (!inside(x)) continue;
    const y = bbox.top + bbox.height - 6 * ratio;
    ctx.beginPath();
    ctx.moveTo(x, y - 5 * ratio);
    ctx.lineTo(x + 4 * ratio, y);
    ctx.lineTo(x, y + 5 * ratio);
    ctx.lineTo(x - 4 * ratio, y);
    ctx.fill();
  }
  ctx.strokeStyle = token("--quiet");
  ctx.fillStyle = token("--text");
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  ctx.setLineDash([4 * ratio, 3 * ratio]);
  for (const { at, text } of events) {
    const x = plot.valToPos(at, "x", true);
    if (!inside(x)) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top - 4 * ratio);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.textAlign = x > bbox.left + bbox.width - 60 * ratio ? "right" : "left";
    ctx.fillText(text, x + (ctx.textAlign === "left" ? 3 : -3) * ratio, bbox.top - 6 * ratio);
  }
  ctx.restore();
}

function values(candles, shades, index) {
  if (index === null || index === undefined) return "";
  const time = candles.t[index];
  const shaded = shades.filter(({ from, to }) => from < time + candles.bucket_seconds && to > time);
  const causes = [...new Set(shaded.map(({ cause }) => CAUSES[cause]))].join(", ");
  const at = `${moment(isoOf(time))} UTC`;
  const text =
    candles.close[index] === null
      ? `${at}: no candle`
      : `${at}: open ${price(candles.open[index])}, high ${price(candles.high[index])}, low ${price(candles.low[index])}, close ${price(candles.close[index])}, volume ${short(candles.volume[index])}`;
  return causes ? `${text} (${causes})` : text;
}

/* One row of bars per hour. */
export function hourBars({ times, counts, name, colour, last }) {
  const most = Math.max(1, ...counts);
  function build(width, height, element) {
    const options = {
      width,
      height,
      tzDate: (timestamp) => uPlot.tzDate(new Date(timestamp * 1000), "Etc/UTC"),
      padding: [6, 26, last ? 0 : 5, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: { y: { range: [0, most * 1.1] } },
      axes: [
        axis({
          show: last,
          space: 50,
          size: 26,
          incrs: [86400],
          values: (_, ticks) => ticks.map((tick) => DAY.format(tick * 1000)),
          grid: { show: false },
        }),
        axis({
          size: 46,
          splits: () => [0, most],
          values: (_, ticks) => ticks.map((tick) => short(tick)),
          grid: { show: false },
        }),
      ],
      series: [
        {},
        {
          fill: token(colour),
          stroke: token(colour),
          width: 0,
          paths: uPlot.paths.bars({ size: [0.8, 24], gap: 0 }),
          points: { show: false },
        },
      ],
    };
    return new uPlot(options, [times, counts], element);
  }
  const total = counts.reduce((sum, count) => sum + count, 0);
  const label = `${name} per hour over 7 days: ${short(total)} in all, at most ${short(Math.max(0, ...counts))} in an hour`;
  return responsive(build, () => (last ? 76 : 54), { role: "img", "aria-label": label });
}
