/* The tables of a series below its chart: loads, revisions, anomalies, outages. */

import { runLink } from "./airflow.js";
import { h } from "./dom.js";
import { clock, moment, whole } from "./format.js";
import { table } from "./table.js";

export function loads(found) {
  return table({
    id: "loads",
    level: "h3",
    title: "Last loads",
    sort: "-finished_at",
    rows: found.loads,
    empty: "No load has touched this series yet.",
    columns: [
      {
        key: "finished_at",
        label: "Finished",
        cell: (load) => h("span", { title: clock(load.finished_at) }, moment(load.finished_at)),
      },
      {
        key: "run_id",
        label: "Run",
        cell: (load) =>
          runLink(load.dag_id, load.run_id, `${load.dag_id.replace("klines_", "")} ${load.run_id}`, {
            class: "cut",
            title: load.run_id,
          }),
      },
      { key: "window_start", label: "From", cell: (load) => moment(load.window_start) },
      { key: "window_end", label: "Until", cell: (load) => moment(load.window_end) },
      { key: "source", label: "Source" },
      {
        key: "status",
        label: "Status",
        cell: (load) => h("span", { class: `status ${load.status}`, title: load.error }, load.status),
      },
      { key: "rows_fetched", label: "Fetched", number: true, cell: (load) => whole(load.rows_fetched) },
      { key: "rows_inserted", label: "New", number: true, cell: (load) => whole(load.rows_inserted) },
      { key: "rows_revised", label: "Revised", number: true, cell: (load) => whole(load.rows_revised) },
      { key: "requests", label: "Requests", number: true, cell: (load) => whole(load.requests) },
      { key: "error", label: "Error", class: "prose" },
    ],
  });
}

export function revisions(found) {
  const total = found.revisions_total ?? found.revisions.length;
  return table({
    id: "revisions",
    level: "h3",
    title: "Revisions",
    note: total > found.revisions.length ? `The newest ${found.revisions.length} of ${whole(total)}.` : null,
    sort: "-revised_at",
    rows: found.revisions,
    empty: "Binance has changed no stored candle of this series.",
    columns: [
      { key: "timestamp", label: "Candle", cell: (one) => moment(one.timestamp) },
      { key: "revised_at", label: "Revised", cell: (one) => moment(one.revised_at) },
      { key: "source", label: "Source" },
      { key: "old", label: "Before", value: (one) => changes(one.old, one.new), class: "prose" },
      { key: "new", label: "After", value: (one) => changes(one.new, one.old), class: "prose" },
    ],
  });
}

/* The values of `one` that differ from `other`. */
function changes(one, other) {
  if (!one || typeof one !== "object") return String(one ?? "–");
  return Object.keys(one)
    .filter((key) => one[key] !== other?.[key])
    .map((key) => `${key} ${one[key]}`)
    .join(", ");
}

export function anomalies(found) {
  if (!found.anomalies.length) return null;
  return table({
    id: "anomalies",
    level: "h3",
    title: "Anomalies",
    sort: "-timestamp",
    rows: found.anomalies,
    empty: "",
    columns: [
      { key: "timestamp", label: "Candle", cell: (one) => moment(one.timestamp) },
      { key: "check", label: "Check", value: (one) => String(one.check).replaceAll("_", " ") },
      { key: "severity", label: "Severity" },
      { key: "detail", label: "Found", class: "prose" },
    ],
  });
}

export function outages(found) {
  if (!found.outages.length) return null;
  return table({
    id: "outages",
    level: "h3",
    title: "Outages of the exchange",
    sort: "-start",
    rows: found.outages,
    empty: "",
    columns: [
      { key: "start", label: "From", cell: (one) => moment(one.start) },
      { key: "end", label: "Until", cell: (one) => moment(one.end) },
      { key: "evidence", label: "Evidence", class: "prose" },
    ],
  });
}
