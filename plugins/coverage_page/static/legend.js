/* What the colours and signs mean, drawn by the same code as the heatmap. */

import { STATES, STEPS, draw, palette, sharp } from "./cells.js";
import { h } from "./dom.js";

const WIDTH = 16;
const HEIGHT = 14;
const NARROW = 600;
const ORDER = ["complete", "outage", "suspension", "pruned", "not_published", "not_loaded", "not_listed"];

function sample(month) {
  const canvas = h("canvas", { "aria-hidden": "true", class: "swatch" });
  draw(sharp(canvas, WIDTH, HEIGHT), palette(), month, 0, 0, WIDTH, HEIGHT);
  return canvas;
}

export const swatch = (state) => sample({ state, adjusted: 95 });

export function legend() {
  const items = ORDER.map((state) =>
    h(
      "li",
      {},
      state === "not_listed" ? h("span", { class: "swatch blank", "aria-hidden": "true" }) : sample({ state }),
      STATES[state].label,
    ),
  );
  const gaps = STEPS.map((step) => h("li", {}, sample({ state: "open", adjusted: step.above + 0.05 }), step.label));
  const part = h("li", {}, sample({ state: "outage", expected: 9, missing: 1 }), "a band: a part of the month");
  const odd = h("li", {}, sample({ state: "complete", anomalies: 1 }), "with an anomaly");
  return h(
    "details",
    { class: "legend", open: window.innerWidth > NARROW },
    h("summary", {}, "What the colours mean"),
    h("ul", { "aria-label": "States of a month" }, items, part, odd),
    h(
      "ul",
      { "aria-label": "Open gaps, by adjusted completeness" },
      h("li", { class: "quiet" }, "open gap, adjusted completeness"),
      gaps,
    ),
  );
}
