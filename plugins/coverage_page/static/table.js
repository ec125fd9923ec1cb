/* A table that sorts by any column, remembers that in the address, and can be downloaded as CSV and JSON. */

import { address } from "./api.js";
import { h } from "./dom.js";
import { plural } from "./format.js";
import { remember, route } from "./router.js";

const FIRST_ROWS = 20;

/* `exports` {path, parameters}: where the API has the table; else the rows shown are the file.
   columns: {key, label, number, value(row), cell(row)}; `empty`: a sentence; `sort`: "-key". */
export function table({ id, title, columns, rows, empty, exports, sort = "", note, level = "h2" }) {
  const body = h("tbody");
  const titleId = `table-${id}`;
  const headers = new Map();
  let all = false;

  function order() {
    const wanted = route().search.get(`sort-${id}`) ?? sort;
    const descending = wanted.startsWith("-");
    return { key: wanted.replace("-", ""), descending };
  }

  function fill() {
    const { key, descending } = order();
    const column = columns.find((one) => one.key === key);
    const sorted = column ? rows.toSorted((a, b) => compare(value(column, a), value(column, b), descending)) : rows;
    for (const [name, header] of headers) {
      if (name === key) header.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else header.removeAttribute("aria-sort");
    }
    const shown = all ? sorted : sorted.slice(0, FIRST_ROWS);
    body.replaceChildren(
      ...shown.map((row) =>
        h(
          "tr",
          {},
          columns.map((one) => cell(one, row)),
        ),
      ),
    );
    more.hidden = all || rows.length <= FIRST_ROWS;
  }

  for (const column of columns) {
    const button = h("button", { type: "button" }, column.label);
    button.addEventListener("click", () => {
      const now = order();
      const down = now.key === column.key ? !now.descending : Boolean(column.number);
      remember({ [`sort-${id}`]: `${down ? "-" : ""}${column.key}` });
      fill();
    });
    headers.set(
      column.key,
      h("th", { scope: "col", class: column.number ? "number" : null, title: column.title }, button),
    );
  }
  const more = h(
    "button",
    { type: "button", class: "more", on: { click: () => ((all = true), fill()) } },
    `Show all ${rows.length}`,
  );
  const links = rows.length || exports ? ["csv", "json"].map((format) => download(format)) : null;

  function download(format) {
    const name = `${id}.${format}`;
    const link = h(
      "a",
      { href: "#", download: name, "aria-label": `${title} as ${format.toUpperCase()}` },
      format.toUpperCase(),
    );
    if (exports) link.href = address(exports.path, { ...exports.parameters, format });
    else link.addEventListener("click", () => (link.href = asFile(rows, format)));
    return link;
  }

  const heading = h(
    "header",
    {},
    h(level, { id: titleId }, title),
    h("span", { class: "count" }, rows.length ? plural(rows.length, "row") : ""),
    h("span", { class: "exports" }, links ?? ""),
  );
  const content = rows.length
    ? [
        h(
          "div",
          { class: "scroll", tabIndex: 0, role: "region", "aria-labelledby": titleId },
          h("table", {}, h("thead", {}, h("tr", {}, [...headers.values()])), body),
        ),
        more,
      ]
    : h("p", { class: "empty" }, empty);
  if (rows.length) fill();
  return h(
    "section",
    { class: "card", "aria-labelledby": titleId },
    heading,
    note ? h("p", { class: "quiet" }, note) : null,
    content,
  );
}

const value = (column, row) => (column.value ? column.value(row) : row[column.key]);

function cell(column, row) {
  const content = column.cell ? column.cell(row) : value(column, row);
  return h("td", { class: column.number ? "number" : column.class }, content ?? "–");
}

function compare(a, b, descending) {
  if (a === b) return 0;
  if (a === null || a === undefined) return 1;
  if (b === null || b === undefined) return -1;
  const less = typeof a === "string" ? a.localeCompare(b) : a - b;
  return descending ? -less : less;
}

/* The rows as they came, as a file of the browser's own: for tables that are a part of an answer. */
function asFile(rows, format) {
  const keys = Object.keys(rows[0]);
  const plain = (value) =>
    value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
  const quoted = (value) => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const lines = [keys, ...rows.map((row) => keys.map((key) => row[key]))];
  const text =
    format === "json"
      ? JSON.stringify(rows, null, 1)
      : lines.map((line) => line.map((one) => quoted(plain(one))).join(",")).join("\n");
  return URL.createObjectURL(new Blob([text], { type: format === "json" ? "application/json" : "text/csv" }));
}
