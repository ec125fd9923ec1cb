/* Symbols × months of one timeframe. */

import { address, get } from "./api.js";
import { STATES, colour } from "./cells.js";
import { announce, h } from "./dom.js";
import { percent, plural, whole } from "./format.js";
import { Grid } from "./grid.js";
import { legend, swatch } from "./legend.js";
import { go, href, remember, route } from "./router.js";
import { toTrigger } from "./trigger.js";

const ORDERS = { tier: "core tier first", symbol: "by name", worst: "worst first" };
const CAUSES = ["open", "not_published", "outage", "suspension", "pruned"];

export async function make({ search: asked }, { signal, asOf, basics }) {
  const answers = (timeframe) => get("heatmap", { timeframe }, signal);
  const first = asked.get("timeframe") ?? "1h";
  let [{ timeframes }, answer] = await Promise.all([basics, answers(first)]);
  if (!asked.has("timeframe") && timeframes.length && !timeframes.includes(first))
    answer = await answers(timeframes[0]);
  asOf(answer);
  const { search } = route(); // filters may have been changed while the answer was on its way
  const title = `Heatmap ${answer.timeframe}`;
  if (!answer.series.length)
    return {
      title,
      node: empty(
        answer.timeframe,
        bar(timeframes, answer, search, () => {}),
      ),
    };

  const tip = h("div", { class: "tip", role: "tooltip", hidden: true });
  const grid = new Grid({
    months: answer.months,
    link: (series) => href("series", [series.symbol, answer.timeframe]),
    open: (series, month) => go(href("series", [series.symbol, answer.timeframe], span(month))),
    words,
    show: (target) => place(tip, target, answer.timeframe),
    hide: () => (tip.hidden = true),
  });
  const nothing = h("p", { class: "note", hidden: true }, "No series fits these filters: take one away.");
  const count = h("span", { class: "count" });
  const links = h("span", { class: "exports" });

  function apply() {
    const filters = read(search);
    const rows = ordered(
      answer.series.filter((series) => fits(series, filters)),
      filters.order,
    );
    grid.fill(rows);
    nothing.hidden = rows.length > 0;
    grid.element.hidden = rows.length === 0;
    count.textContent =
      rows.length === answer.series.length
        ? plural(rows.length, "series", "series")
        : `${whole(rows.length)} of ${plural(answer.series.length, "series", "series")}`;
    const parameters = {
      timeframe: answer.timeframe,
      tier: filters.tier,
      q: filters.q,
      problems: filters.problems ? "true" : "",
    };
    links.replaceChildren(
      ...["csv", "json"].map((format) =>
        h(
          "a",
          { href: address("heatmap", { ...parameters, format }), download: `heatmap-${answer.timeframe}.${format}` },
          format.toUpperCase(),
        ),
      ),
    );
    return rows.length;
  }

  const filters = bar(timeframes, answer, search, () => announce(`${apply()} series shown`));
  filters.append(count, links);
  apply();
  const node = h("section", { class: "heatmap" }, filters, legend(), nothing, grid.element, tip);
  const said = `Heatmap of ${answer.series.length} series, ${answer.timeframe}`;
  return {
    title,
    node,
    said,
    grid,
    destroy: () => grid.destroy(),
    keep: (before) =>
      before?.grid && {
        top: before.grid.element.scrollTop,
        left: before.grid.element.scrollLeft,
        at: before.grid.at,
        focused: before.grid.cell === document.activeElement,
      },
    mounted(scroll) {
      if (!scroll) {
        measure();
        return;
      }
      grid.resize();
      grid.element.scrollTop = scroll.top;
      grid.element.scrollLeft = scroll.left;
      grid.at = scroll.at;
      grid.paint();
      grid.mark(scroll.focused);
    },
  };
}

/* How long it took from the page's start until the first heatmap was on the screen; the browser tests print it. */
function measure() {
  requestAnimationFrame(() =>
    setTimeout(() => {
      if (!performance.getEntriesByName("heatmap-painted").length) performance.mark("heatmap-painted");
    }),
  );
}

function read(search) {
  return {
    q: (search.get("q") ?? "").trim().toUpperCase(),
    tier: search.get("tier") ?? "",
    problems: search.get("problems") === "1",
    order: search.get("order") ?? "tier",
  };
}

function fits(series, { q, tier, problems }) {
  if (q && !series.symbol.toUpperCase().includes(q)) return false;
  if (tier && series.tier !== tier) return false;
  return !problems || series.cells.some(troubled);
}

/* A problem is what somebody should look at: a candle missing without an explanation, or an anomaly. */
function troubled(cell) {
  return Array.isArray(cell) && (cell[4] > 0 || cell[6] > 0 || cell[7] > 0);
}

function ordered(rows, order) {
  if (order === "symbol") return rows.toSorted((a, b) => a.symbol.localeCompare(b.symbol));
  if (order === "worst") return rows.toSorted((a, b) => (a.adjusted ?? -1) - (b.adjusted ?? -1));
  return rows;
}

function bar(timeframes, answer, search, changed) {
  const set = (name, value) => {
    remember({ [name]: value });
    if (value) search.set(name, value);
    else search.delete(name);
    changed();
  };
  const choice = timeframes.map((timeframe) => {
    const current = timeframe === answer.timeframe ? "true" : null;
    const link = h("a", { href: href("heatmap", [], { timeframe }), "aria-current": current }, timeframe);
    link.addEventListener(
      "click",
      () => (link.href = href("heatmap", [], { ...Object.fromEntries(search), timeframe })),
    );
    return link;
  });
  const tiers = [...new Set(answer.series.map((series) => series.tier).filter(Boolean))].sort();
  return h(
    "form",
    { class: "filters", role: "search", "aria-label": "Filters", on: { submit: (event) => event.preventDefault() } },
    h("span", { class: "segments", role: "group", "aria-label": "Timeframe" }, choice),
    select(
      "Tier",
      ["", ...tiers],
      (tier) => tier || "all tiers",
      search.get("tier"),
      (value) => set("tier", value),
    ),
    h("input", {
      type: "search",
      "aria-label": "Symbol",
      placeholder: "Symbol, e.g. BTC",
      value: search.get("q") ?? "",
      size: 14,
      autocomplete: "off",
      on: { input: (event) => set("q", event.target.value) },
    }),
    h(
      "label",
      { class: "tick" },
      h("input", {
        type: "checkbox",
        checked: search.get("problems") === "1",
        on: { change: (event) => set("problems", event.target.checked ? "1" : "") },
      }),
      "only problems",
    ),
    select(
      "Order",
      Object.keys(ORDERS),
      (order) => ORDERS[order],
      search.get("order") ?? "tier",
      (value) => set("order", value === "tier" ? "" : value),
    ),
  );
}

function select(name, values, label, chosen, changed) {
  const options = values.map((value) => h("option", { value, selected: value === (chosen ?? "") }, label(value)));
  return h("select", { "aria-label": name, on: { change: (event) => changed(event.target.value) } }, options);
}

function span(month) {
  const [year, number] = month.split("-").map(Number);
  const after = new Date(Date.UTC(year, number, 1)).toISOString().slice(0, 10);
  return { start: `${month}-01`, end: after };
}

function words(series, month, cell) {
  const name = `${series.symbol} ${month}: `;
  if (cell.expected === undefined) return name + STATES[cell.state].label;
  const causes = CAUSES.filter((cause) => cell[cause] > 0).map((cause) => `${cell[cause]} ${STATES[cause].label}`);
  const odd = cell.anomalies ? `, ${plural(cell.anomalies, "anomaly", "anomalies")}` : "";
  return `${name}${cell.present} of ${cell.expected} candles${causes.length ? `, missing: ${causes.join(", ")}` : ""}${odd}`;
}

function place(tip, { series, month, cell, box }, timeframe) {
  const line = (name, value, mark) => h("tr", {}, h("th", { scope: "row" }, mark ?? "", name), h("td", {}, value));
  const lines = [];
  if (cell.expected !== undefined) {
    lines.push(line("expected", whole(cell.expected)), line("present", whole(cell.present)));
    if (cell.missing) lines.push(line("missing", whole(cell.missing)));
    for (const cause of CAUSES)
      if (cell[cause]) lines.push(line(STATES[cause].label, whole(cell[cause]), swatch(cause)));
    if (cell.missing) lines.push(line("adjusted", percent(cell.adjusted)));
    if (cell.anomalies) lines.push(line("anomalies", whole(cell.anomalies)));
  }
  const state = cell.expected === undefined || !cell.missing ? h("p", {}, STATES[cell.state].label) : null;
  tip.replaceChildren(
    h("p", { class: "tip-title" }, `${series.symbol} ${timeframe}, ${month}`),
    state ?? "",
    h("table", {}, lines),
  );
  tip.dataset.state = colour(cell);
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const left = Math.max(8, Math.min(box.left + box.width / 2 - width / 2, window.innerWidth - width - 8));
  const below = box.bottom + 8 + height < window.innerHeight;
  tip.style.left = `${left}px`;
  tip.style.top = `${below ? box.bottom + 8 : Math.max(8, box.top - height - 8)}px`;
}

function empty(timeframe, filters) {
  return h(
    "section",
    {},
    filters,
    h(
      "div",
      { class: "note" },
      h("h2", {}, `Nothing is stored for ${timeframe} yet`),
      h("p", {}, "Load some history first: begin with the core tier."),
      h(
        "p",
        {},
        toTrigger("klines_initial_load", { timeframes: [timeframe] }, "Load history …"),
        " or, in a shell, ",
        h("code", {}, "make run"),
      ),
    ),
  );
}
