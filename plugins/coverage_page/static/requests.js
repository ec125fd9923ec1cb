/* What was asked of the exchange: rates per hour, the weight of the last minute, bans. */

import { address } from "./api.js";
import { hourBars } from "./chart.js";
import { h } from "./dom.js";
import { moment, seconds, short, whole } from "./format.js";

const RATES = [
  ["requests", "Requests", "--rate-requests"],
  ["errors", "Errors", "--rate-errors"],
  ["retries", "Sent again", "--rate-retries"],
  ["rate_limited", "429 and 418", "--rate-limited"],
];

export function meter(value, label, worstAt = 95) {
  const inner = h("span");
  inner.style.width = `${Math.max(0, Math.min(100, (((value ?? 0) - worstAt) / (100 - worstAt)) * 100))}%`;
  return h(
    "div",
    {
      class: "meter",
      role: "meter",
      "aria-label": label,
      "aria-valuenow": String(value ?? 0),
      "aria-valuemin": "0",
      "aria-valuemax": "100",
      title: `the bar begins at ${worstAt} %`,
    },
    inner,
  );
}

export function rateCharts(rates) {
  const times = rates.map((one) => seconds(one.hour));
  return RATES.map(([key, name, colour], index) =>
    hourBars({ times, counts: rates.map((one) => one[key]), name, colour, last: index === RATES.length - 1 }),
  );
}

export function requests({ rates }, charts) {
  const sums = Object.fromEntries(RATES.map(([key]) => [key, rates.reduce((sum, one) => sum + one[key], 0)]));
  const rows = RATES.map(([key, name], index) =>
    h(
      "div",
      { class: "rate" },
      h("p", {}, h("strong", {}, short(sums[key])), h("span", {}, name)),
      charts[index].element,
    ),
  );
  return h(
    "section",
    { class: "card" },
    h(
      "header",
      {},
      h("h3", {}, "Requests to the exchange"),
      h("span", { class: "quiet" }, "per hour, 7 days, UTC"),
      h(
        "span",
        { class: "exports" },
        ["csv", "json"].map((format) =>
          h(
            "a",
            {
              href: address("rates", { format }),
              download: `rates.${format}`,
              "aria-label": `Rates as ${format.toUpperCase()}`,
            },
            format.toUpperCase(),
          ),
        ),
      ),
    ),
    rows,
  );
}

export function budget({ weight, bans }) {
  const open = bans.map((ban) => h("li", { class: "bad" }, `Banned until ${moment(ban.until)} UTC: ${ban.reason}`));
  return h(
    "section",
    { class: "card" },
    h("header", {}, h("h3", {}, "Weight and bans"), h("span", { class: "quiet" }, "what Binance counts a minute")),
    used(weight),
    open.length ? h("ul", { class: "plain" }, open) : h("p", { class: "quiet" }, "No ban is open."),
  );
}

function used(weight) {
  if (!weight) return h("p", { class: "quiet" }, "No request was sent to the exchange yet.");
  const { used_last_minute: spent, budget: allowed, limit } = weight;
  return h(
    "div",
    { class: "weight" },
    h(
      "p",
      {},
      h("strong", {}, whole(spent ?? 0)),
      ` of a budget of ${whole(allowed)} used in the last minute`,
      limit ? h("span", { class: "quiet" }, ` (the exchange allows ${whole(limit)})`) : "",
    ),
    meter(allowed ? (100 * (spent ?? 0)) / allowed : 0, "Weight used of the budget", 0),
  );
}
