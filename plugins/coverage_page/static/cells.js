/* What a month of a series looks like: its state, its colour (custom properties of page.css), its sign and its words.
   Every state that is not "complete" has a sign of its own, so that nothing is told by colour alone. */

export const STATES = {
  complete: { label: "complete", colour: "complete" },
  open: { label: "open gap", colour: "open-3", sign: "triangle" },
  not_published: { label: "not published", colour: "not-published", sign: "ring" },
  outage: { label: "exchange outage", colour: "outage", sign: "dash" },
  suspension: { label: "suspended", colour: "suspension", sign: "pause" },
  pruned: { label: "pruned", colour: "pruned", sign: "cross" },
  not_loaded: { label: "not loaded", colour: "not-loaded", sign: "frame" },
  not_listed: { label: "not listed", colour: "not-listed" },
};
export const STEPS = [
  { above: 99.9, colour: "open-1", label: "over 99.9 %" },
  { above: 99, colour: "open-2", label: "over 99 %" },
  { above: 90, colour: "open-3", label: "over 90 %" },
  { above: 50, colour: "open-4", label: "over 50 %" },
  { above: -1, colour: "open-5", label: "50 % or less" },
];
const CAUSES = ["outage", "suspension", "not_published", "pruned", "open"];
const EXPLAINED = { outage: true, suspension: true, pruned: true, not_published: true };
const MOSTLY = 0.5;
const BAND = 8;

/* A cell of the heatmap's answer as numbers: {state, expected, present, missing, adjusted, anomalies, …causes}. */
export function read(cell) {
  if (cell === null) return { state: "not_listed" };
  if (cell === -1) return { state: "not_loaded" };
  if (typeof cell === "number") return { state: "complete", expected: cell, present: cell, missing: 0, adjusted: 100 };
  const [expected, present, outage, suspension, not_published, pruned, open, anomalies] = cell;
  const found = { expected, present, missing: expected - present, anomalies };
  Object.assign(found, { outage, suspension, not_published, pruned, open });
  const possible = expected - outage - suspension - pruned;
  found.adjusted = possible > 0 ? Math.min(100, (100 * present) / possible) : 100;
  found.state =
    open > 0 ? "open" : CAUSES.reduce((most, cause) => (found[cause] > (found[most] ?? 0) ? cause : most), "complete");
  return found;
}

export function colour(month) {
  return month.state === "open" ? STEPS.find((step) => month.adjusted > step.above).colour : STATES[month.state].colour;
}

/* An explained hole that leaves most of the month there: it is a band on a complete month. */
const isBand = (month) => month.state in EXPLAINED && month.missing <= MOSTLY * month.expected;

/* The computed colours of the present theme: `fill` and `ink` by colour name. */
export function palette() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(name).trim();
  const names = [...Object.values(STATES), ...STEPS].map((one) => one.colour);
  const pairs = names.map((name) => [name, { fill: value(`--cell-${name}`), ink: value(`--ink-${name}`) }]);
  return {
    ...Object.fromEntries(pairs),
    line: value("--line"),
    anomaly: value("--anomaly"),
  };
}

/* Draws one month into a box of a canvas. */
export function draw(context, colours, month, x, y, width, height) {
  if (month.state === "not_listed") return;
  const { fill, ink } = colours[colour(month)];
  if (month.state === "not_loaded") {
    context.strokeStyle = colours.line;
    context.strokeRect(x + 0.5, y + 0.5, width - 1, height - 1);
    context.fillStyle = ink;
    context.fillRect(x + width / 2 - 1, y + height / 2 - 1, 2, 2);
    return;
  }
  const band = isBand(month);
  const top = band ? y + height - BAND : y;
  if (band) {
    context.fillStyle = colours.complete.fill;
    context.fillRect(x, y, width, height - BAND - 1);
  }
  context.fillStyle = fill;
  context.fillRect(x, top, width, y + height - top);
  context.fillStyle = ink;
  context.strokeStyle = ink;
  SIGNS[STATES[month.state].sign]?.(context, x + width / 2, top + (y + height - top) / 2, band ? 3 : 3.5);
  if (month.anomalies) {
    context.fillStyle = colours.anomaly;
    context.fillRect(x + width - 4, y, 4, 4);
  }
}

const SIGNS = {
  triangle(context, x, y, r) {
    context.beginPath();
    context.moveTo(x, y - r);
    context.lineTo(x + r, y + r * 0.8);
    context.lineTo(x - r, y + r * 0.8);
    context.fill();
  },
  dash: (context, x, y, r) => context.fillRect(x - r, y - 1, 2 * r, 2),
  pause(context, x, y, r) {
    context.fillRect(x - 3, y - r, 2, 2 * r);
    context.fillRect(x + 1, y - r, 2, 2 * r);
  },
  cross(context, x, y, r) {
    stroke(context, () => {
      context.moveTo(x - r + 0.5, y - r + 0.5);
      context.lineTo(x + r - 0.5, y + r - 0.5);
      context.moveTo(x + r - 0.5, y - r + 0.5);
      context.lineTo(x - r + 0.5, y + r - 0.5);
    });
  },
  ring: (context, x, y, r) => stroke(context, () => context.arc(x, y, r - 0.5, 0, 2 * Math.PI)),
};

function stroke(context, path) {
  context.lineWidth = 1.5;
  context.beginPath();
  path();
  context.stroke();
  context.lineWidth = 1;
}

/* A canvas of CSS size width × height, sharp on any screen. */
export function sharp(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}
