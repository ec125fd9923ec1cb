/* Can the data be trusted, and is anything going wrong? Totals, completeness, the worst series, sync, requests, runs. */

import { get } from "./api.js";
import { dagLink, runLink } from "./airflow.js";
import { STATES } from "./cells.js";
import { h } from "./dom.js";
import { age, bytes, clock, duration, moment, percent, plural, short, whole } from "./format.js";
import { swatch } from "./legend.js";
import { budget, meter, rateCharts, requests } from "./requests.js";
import { href } from "./router.js";
import { table } from "./table.js";
import { toTrigger } from "./trigger.js";

const CAUSES = ["open", "not_published", "outage", "suspension", "pruned"];
const SCHEDULED = /\d|@/; // Airflow writes "None" for a Dag without one
const LATE_SECONDS = 48 * 3600;

export async function make(_, { signal, asOf }) {
  const found = await get("overview", {}, signal);
  asOf(found);
  const rates = rateCharts(found.rates);
  const node = h(
    "section",
    { class: "overview" },
    h("h2", { class: "offscreen" }, "Overview"),
    found.totals.series ? null : nothing(),
    totals(found),
    h(
      "div",
      { class: "pair" },
      h("div", { class: "stack" }, completeness(found.completeness), budget(found)),
      requests(found, rates),
    ),
    misses(found.misses),
    worst(found.worst),
    runs(found),
  );
  return { title: "Overview", node, destroy: () => rates.forEach((chart) => chart.destroy()) };
}

function nothing() {
  return h(
    "div",
    { class: "note" },
    h("h2", {}, "Nothing is stored yet"),
    h("p", {}, toTrigger("klines_initial_load", {}, "Load history …"), " or, in a shell, ", h("code", {}, "make run")),
  );
}

function totals({ totals: sum, last_sync: sync, database }) {
  const tile = (name, value, detail, state) =>
    h(
      "div",
      { class: `tile ${state ?? ""}` },
      h("dt", {}, name),
      h("dd", { class: /^\d{4}-/.test(value) ? "date" : null }, value),
      h("dd", { class: "quiet" }, detail ?? ""),
    );
  const late = sync?.at && sync.age_seconds > LATE_SECONDS;
  return h(
    "dl",
    { class: "tiles" },
    tile("Series", whole(sum.series), sum.symbols === undefined ? "" : plural(sum.symbols, "symbol")),
    tile("Candles", h("span", { title: whole(sum.candles) }, short(sum.candles)), whole(sum.candles)),
    tile("On disk", bytes(sum.bytes), database ? `database ${database}` : ""),
    tile(
      "Newest candle",
      sum.newest_candle ? moment(sum.newest_candle) : "none",
      sum.newest_candle ? `UTC, ${age(sum.newest_candle)}` : "",
    ),
    tile(
      "Last sync",
      sync?.at ? h("span", { title: clock(sync.at) }, `${duration(sync.age_seconds)} ago`) : "never",
      sync?.at ? `${late ? "late: over 48 h; " : ""}${sync.dag_id ?? ""}` : "no load has ended",
      late ? "bad" : "",
    ),
  );
}

function completeness(measured) {
  const periods = measured.filter((one) => !one.timeframe);
  const parts = (days) => measured.filter((one) => one.timeframe && one.days === days);
  const rows = periods.map((one) =>
    h(
      "div",
      { class: "period" },
      h("h4", {}, `${one.days} days`),
      h("p", { class: "big" }, percent(one.adjusted)),
      meter(one.adjusted, `${one.days} days: adjusted completeness`),
      h(
        "p",
        { class: "quiet" },
        `raw ${percent(one.raw)}; ${whole(one.missing)} of ${whole(one.expected)} missing, ${whole(one.unfillable)} of them explained`,
      ),
      h(
        "p",
        { class: "quiet" },
        parts(one.days).map((part) => h("span", { class: "part" }, `${part.timeframe} ${percent(part.adjusted)}`)),
      ),
      h(
        "p",
        { class: one.series_below_99 ? "warn" : "quiet" },
        one.series_below_99 ? `${plural(one.series_below_99, "series", "series")} below 99 %` : "no series below 99 %",
      ),
    ),
  );
  const content = periods.length
    ? h("div", { class: "periods" }, rows)
    : h("p", { class: "empty" }, "Nothing of the last 365 days was measured: the Dag klines_quality_check does it.");
  return h(
    "section",
    { class: "card" },
    h("header", {}, h("h3", {}, "Adjusted completeness")),
    h("p", { class: "quiet" }, "What is stored of all that any load can bring: explained gaps do not count."),
    content,
  );
}

function worst(rows) {
  const bar = (row) => {
    const missing = CAUSES.reduce((sum, cause) => sum + (row[cause] ?? 0), 0);
    const pieces = CAUSES.filter((cause) => row[cause] > 0).map((cause) => {
      const piece = h("span", { class: `piece ${cause}` });
      piece.style.width = `${(100 * row[cause]) / missing}%`;
      return piece;
    });
    return h("span", { class: "split", "aria-hidden": "true" }, pieces);
  };
  const causes = (row) =>
    h(
      "div",
      { class: "causes" },
      bar(row),
      h(
        "ul",
        {},
        CAUSES.filter((cause) => row[cause] > 0).map((cause) =>
          h("li", {}, swatch(cause), `${whole(row[cause])} ${STATES[cause].label}`),
        ),
      ),
    );
  return table({
    id: "worst",
    level: "h3",
    title: "The worst twenty series",
    note: "Over 365 days, by adjusted completeness.",
    exports: { path: "worst" },
    sort: "adjusted",
    rows,
    empty: "Nothing of the last 365 days was measured: load it, or run the Dag klines_quality_check.",
    columns: [
      {
        key: "symbol",
        label: "Series",
        value: named,
        cell: seriesLink,
      },
      { key: "tier", label: "Tier" },
      { key: "adjusted", label: "Adjusted", number: true, cell: (row) => percent(row.adjusted) },
      { key: "raw", label: "Raw", number: true, cell: (row) => percent(row.raw) },
      { key: "missing", label: "Missing", number: true, cell: (row) => whole(row.missing) },
      { key: "causes", label: "Causes", value: (row) => row.open ?? 0, cell: causes },
      { key: "has_anomalies", label: "Anomalies", value: (row) => (row.has_anomalies ? "yes" : "no") },
      {
        key: "last_sync",
        label: "Last sync",
        cell: (row) => (row.last_sync ? h("span", { title: clock(row.last_sync) }, age(row.last_sync)) : "never"),
      },
    ],
  });
}

function misses(rows) {
  return table({
    id: "misses",
    level: "h3",
    title: "Missed deadlines and data promises",
    note: "Open ones first, then those that cleared in the last 30 days.",
    exports: { path: "misses" },
    rows,
    empty: "No promise is broken, and none was in the last 30 days.",
    columns: [
      { key: "what", label: "What", value: (row) => String(row.what).replaceAll("_", " ") },
      { key: "series", label: "Series", value: named, cell: seriesLink },
      {
        key: "missed_at",
        label: "Missed",
        cell: (row) => h("span", { title: clock(row.missed_at) }, moment(row.missed_at)),
      },
      {
        key: "cleared_at",
        label: "Cleared",
        cell: (row) => (row.cleared_at ? moment(row.cleared_at) : h("span", { class: "status failed" }, "open")),
      },
      { key: "detail", label: "Detail", class: "prose" },
    ],
  });
}

function runs({ runs: rows, deadlines = [] }) {
  const missed = deadlines.filter((one) => one.missed);
  return table({
    id: "runs",
    level: "h3",
    title: "Runs of the Dags",
    exports: { path: "runs" },
    note: missed.length
      ? `${plural(missed.length, "deadline")} missed: ${missed
          .slice(0, 3)
          .map((one) => `${one.dag_id} was due ${moment(one.deadline_at)}`)
          .join(", ")}.`
      : null,
    rows,
    empty: "Airflow knows no Dag of this project: is the dag-processor running?",
    columns: [
      { key: "dag_id", label: "Dag", cell: (row) => dagLink(row.dag_id) },
      {
        key: "schedule",
        label: "Schedule (UTC)",
        value: (row) => (SCHEDULED.test(row.schedule) ? row.schedule : "by hand"),
      },
      {
        key: "is_paused",
        label: "State",
        value: (row) => (row.is_paused ? "paused" : "on"),
        cell: (row) =>
          h("span", { class: `status ${row.is_paused ? "paused" : "success"}` }, row.is_paused ? "paused" : "on"),
      },
      {
        key: "last_run",
        label: "Last run",
        value: (row) => row.last_run?.start ?? null,
        cell: (row) =>
          row.last_run ? runLink(row.dag_id, row.last_run.run_id, moment(row.last_run.start)) : "never ran",
      },
      {
        key: "last_state",
        label: "Result",
        value: (row) => row.last_run?.state ?? null,
        cell: (row) => (row.last_run ? h("span", { class: `status ${row.last_run.state}` }, row.last_run.state) : "–"),
      },
      {
        key: "took",
        label: "Took",
        number: true,
        value: (row) => took(row.last_run),
        cell: (row) => duration(took(row.last_run)),
      },
      { key: "next_run", label: "Next run", cell: (row) => (row.is_paused ? "when unpaused" : moment(row.next_run)) },
      { key: "deadlines_missed", label: "Deadlines missed", number: true },
    ],
  });
}

const took = (run) => (run?.start && run?.end ? (Date.parse(run.end) - Date.parse(run.start)) / 1000 : null);

const named = (row) => [row.symbol, row.timeframe].filter(Boolean).join(" ");

function seriesLink(row) {
  return row.symbol && row.timeframe
    ? h("a", { href: href("series", [row.symbol, row.timeframe]) }, named(row))
    : named(row) || "–";
}
