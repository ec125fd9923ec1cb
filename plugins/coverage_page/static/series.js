/* One series: its candles, what is missing and why, how it was loaded, and how to read it. */

import { get, part } from "./api.js";
import { STATES } from "./cells.js";
import { priceChart } from "./chart.js";
import { copyButton, h } from "./dom.js";
import { CAUSES, duration, isoOf, moment, percent, plural, seconds, whole } from "./format.js";
import { swatch } from "./legend.js";
import { go, href } from "./router.js";
import { anomalies, loads, outages, revisions } from "./series_tables.js";
import { table } from "./table.js";
import { toTrigger } from "./trigger.js";

const POINTS = 1500;
const RANGES = [
  ["all", null],
  ["1 year", 365],
  ["90 days", 90],
  ["30 days", 30],
  ["7 days", 7],
];
const STATE_OF = { exchange_outage: "outage" };

export async function make({ parts, search }, { signal, asOf }) {
  const [symbol = "", timeframe = ""] = parts;
  const range = { start: search.get("start") ?? "", end: search.get("end") ?? "" };
  const path = `series/${part(symbol)}/${part(timeframe)}`;
  const [found, candles] = await Promise.all([
    get(path, range, signal),
    get(`${path}/candles`, { ...range, points: POINTS }, signal),
  ]);
  asOf(found);
  const chart = prices(found, candles);
  const node = h(
    "section",
    { class: "series" },
    heading(found),
    facts(found, range),
    h("section", { class: "card" }, ranges(found, candles, range), chart.element, chart.values, chartKey()),
    gaps(found),
    h("div", { class: "pair" }, reading(found), filling(found)),
    loads(found),
    revisions(found),
    anomalies(found),
    outages(found),
  );
  return { title: `${symbol} ${timeframe}`, node, destroy: chart.destroy };
}

function heading(found) {
  const listing = found.listings.map((one) => {
    const end = one.delisted_at ? `delisted ${moment(one.delisted_at)}` : (one.status ?? "trading").toLowerCase();
    return `listed ${moment(one.listed_at)}, ${end}${one.successor ? `, goes on as ${one.successor}` : ""}`;
  });
  return h(
    "header",
    { class: "title" },
    h("h2", {}, `${found.symbol} ${found.timeframe}`),
    h("span", { class: "badge" }, found.exchange_symbol ?? ""),
    found.tier ? h("span", { class: "badge" }, `${found.tier} tier`) : null,
    h("span", { class: "quiet" }, listing.join("; ") || "no listing is known"),
  );
}

function facts(found, range) {
  const missing = Math.max(0, (found.expected ?? 0) - (found.candles ?? 0));
  const inGaps = found.gaps.filter((gap) => !gap.resolved_at).reduce((sum, gap) => sum + gap.missing, 0);
  const newer = range.start || range.end ? 0 : Math.max(0, missing - inGaps);
  const fact = (name, value, detail) =>
    h(
      "div",
      { class: "tile" },
      h("dt", {}, name),
      h("dd", { class: /^\d{4}-/.test(value) ? "date" : null }, value),
      detail ? h("dd", { class: "quiet" }, detail) : null,
    );
  const print = found.fingerprint ?? "none";
  return h(
    "dl",
    { class: "tiles" },
    fact("Candles", whole(found.candles), `of ${whole(found.expected)} expected`),
    fact("Adjusted completeness", percent(found.adjusted), `raw ${percent(found.raw)}`),
    fact(
      "Missing",
      whole(missing),
      newer ? `${whole(newer)} newer than the last load` : missing ? "causes below" : "nothing",
    ),
    fact("First candle", moment(found.first), "UTC"),
    fact("Last candle", moment(found.last), "UTC"),
    h(
      "div",
      { class: "tile wide" },
      h("dt", {}, "Fingerprint"),
      h(
        "dd",
        { class: "print" },
        h("code", { title: print }, print.length > 20 ? `${print.slice(0, 20)}…` : print),
        found.fingerprint ? copyButton(found.fingerprint, "fingerprint") : null,
      ),
      found.fingerprint_note
        ? h("dd", { class: "quiet" }, h("details", {}, h("summary", {}, "why not"), found.fingerprint_note))
        : null,
      found.fingerprint && found.fingerprint_range
        ? h("dd", { class: "quiet" }, `${moment(found.fingerprint_range[0])} to ${moment(found.fingerprint_range[1])}`)
        : null,
    ),
  );
}

function ranges(found, candles, range) {
  const to = (start, end) => href("series", [found.symbol, found.timeframe], { start, end });
  const last = seconds(found.last) ?? Date.now() / 1000;
  const chosen = Boolean(range.start || range.end);
  const links = RANGES.map(([name, days]) => {
    const target = days ? to(isoOf(last - days * 86400).slice(0, 10)) : to();
    return h("a", { href: target, "aria-current": target === window.location.hash ? "true" : null }, name);
  });
  const bucket =
    candles.bucket_seconds > candles.step_seconds ? `, one point is ${duration(candles.bucket_seconds)}` : "";
  return h(
    "header",
    {},
    h("h3", {}, "Price and volume"),
    h("span", { class: "segments", role: "group", "aria-label": "Range" }, links),
    h(
      "span",
      { class: "quiet" },
      `${moment(candles.start)} to ${moment(candles.end)} UTC${bucket}${chosen ? "" : "; drag to zoom"}`,
    ),
  );
}

function prices(found, candles) {
  const values = h("p", { class: "values" }, "Point at the chart, or focus it and use the arrow keys.");
  const stored = candles.close.filter((close) => close !== null).length;
  if (!stored) {
    const element = h("div", { class: "note" }, h("p", {}, "No candle is stored in this range."), filling(found));
    return { element, values: null, destroy() {} };
  }
  const chart = priceChart({
    candles,
    gaps: found.gaps,
    outages: found.outages,
    revisions: found.revisions,
    listings: found.listings,
    label: `Close and volume of ${found.symbol} ${found.timeframe}, ${moment(candles.start)} to ${moment(candles.end)}, ${plural(found.gaps.length, "gap")}`,
    told: (text) => text && (values.textContent = text),
    zoomed: (start, end) =>
      go(href("series", [found.symbol, found.timeframe], { start: isoOf(start), end: isoOf(end) })),
  });
  return { element: chart.element, values, destroy: chart.destroy };
}

function chartKey() {
  const causes = ["outage", "suspension", "open", "not_published", "pruned"].map((state) =>
    h("li", {}, swatch(state), STATES[state].label),
  );
  return h(
    "ul",
    { class: "legend key", "aria-label": "Shades of the chart" },
    causes,
    h("li", {}, h("span", { class: "diamond", "aria-hidden": "true" }), "revised candle"),
  );
}

function gaps(found) {
  return table({
    id: "gaps",
    level: "h3",
    title: "Gaps",
    sort: "-start",
    rows: found.gaps,
    empty: "No candle is missing in this range.",
    columns: [
      { key: "start", label: "From", cell: (gap) => moment(gap.start) },
      { key: "end", label: "Until", cell: (gap) => moment(gap.end) },
      { key: "missing", label: "Candles", number: true, cell: (gap) => whole(gap.missing) },
      {
        key: "cause",
        label: "Cause",
        cell: (gap) =>
          h("span", { class: "cause" }, swatch(STATE_OF[gap.cause] ?? gap.cause), CAUSES[gap.cause] ?? gap.cause),
      },
      { key: "attempts", label: "Asked in vain", number: true, cell: (gap) => whole(gap.attempts) },
      { key: "first_seen", label: "First seen", cell: (gap) => moment(gap.first_seen) },
      { key: "last_checked", label: "Last looked at", cell: (gap) => moment(gap.last_checked) },
      {
        key: "resolved_at",
        label: "State",
        cell: (gap) => (gap.resolved_at ? `filled ${moment(gap.resolved_at)}` : "missing"),
      },
    ],
  });
}

function reading(found) {
  const block = (name, text) =>
    h(
      "div",
      { class: "code" },
      h("header", {}, h("span", {}, name), copyButton(text, name)),
      h("pre", { tabIndex: 0 }, h("code", {}, text)),
    );
  return h(
    "section",
    { class: "card" },
    h("header", {}, h("h3", {}, "Read it")),
    block("Python", found.reader),
    block("SQL", found.sql),
  );
}

function filling(found) {
  const { fill, load } = found.trigger ?? {};
  return h(
    "section",
    { class: "card" },
    h("header", {}, h("h3", {}, "Mend it")),
    h(
      "p",
      { class: "quiet" },
      "Each opens the Dag's form with this series and range filled in; nothing runs before you say so.",
    ),
    h(
      "p",
      { class: "buttons" },
      fill ? toTrigger(fill.dag_id, fill.conf, "Fill the gaps …") : null,
      load ? toTrigger(load.dag_id, load.conf, "Load again …") : null,
      toTrigger("klines_quality_check", { symbols: [found.symbol], timeframes: [found.timeframe] }, "Measure …"),
    ),
  );
}
