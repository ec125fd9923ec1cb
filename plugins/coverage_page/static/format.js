/* Numbers, times and ages as the page writes them. All times are UTC. */

const WHOLE = new Intl.NumberFormat("en-US");
const PRICE = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 8 });
const SHORT = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });
const UNITS = ["B", "kB", "MB", "GB", "TB"];
const NONE = "–";

export const whole = (value) => (value === null || value === undefined ? NONE : WHOLE.format(value));
export const price = (value) => (value === null || value === undefined ? NONE : PRICE.format(value));
export const short = (value) => (value === null || value === undefined ? NONE : SHORT.format(value));
export const plural = (count, one, many = `${one}s`) => `${whole(count)} ${count === 1 ? one : many}`;

/* Rounded down, so that 100 % is said only where nothing is missing. */
export function percent(value, digits = 3) {
  if (value === null || value === undefined) return NONE;
  if (value >= 100) return "100 %";
  const scale = 10 ** digits;
  return `${(Math.floor(value * scale) / scale).toFixed(digits)} %`;
}

export function bytes(value) {
  if (value === null || value === undefined) return NONE;
  let amount = value;
  let unit = 0;
  while (amount >= 1000 && unit < UNITS.length - 1) {
    amount /= 1000;
    unit += 1;
  }
  return `${amount >= 100 || unit === 0 ? amount.toFixed(0) : amount.toFixed(1)} ${UNITS[unit]}`;
}

export const seconds = (iso) => (iso ? Date.parse(iso) / 1000 : null);
export const isoOf = (epoch) => new Date(epoch * 1000).toISOString();
export const day = (iso) => (iso ? new Date(iso).toISOString().slice(0, 10) : NONE);

/* 2024-01-01 05:00, without the hour where it is midnight. */
export function moment(iso) {
  if (!iso) return NONE;
  const text = new Date(iso).toISOString();
  const time = text.slice(11, 16);
  return time === "00:00" ? text.slice(0, 10) : `${text.slice(0, 10)} ${time}`;
}

export function clock(iso) {
  return iso ? `${new Date(iso).toISOString().slice(0, 19).replace("T", " ")} UTC` : NONE;
}

export function duration(total) {
  if (total === null || total === undefined) return NONE;
  const value = Math.max(0, Math.round(total));
  if (value < 60) return `${value} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min`;
  if (value < 86400) return two(Math.floor(value / 3600), "h", Math.floor((value % 3600) / 60), "min");
  return two(Math.floor(value / 86400), "d", Math.floor((value % 86400) / 3600), "h");
}

const two = (large, unit, small, part) => `${large} ${unit}${small && large < 100 ? ` ${small} ${part}` : ""}`;

export function age(iso, now = Date.now()) {
  const passed = (now - Date.parse(iso)) / 1000;
  return passed < 0 ? `in ${duration(-passed)}` : `${duration(passed)} ago`;
}

export const CAUSES = {
  open: "open gap",
  outage: "exchange outage",
  exchange_outage: "exchange outage",
  suspension: "suspended",
  not_published: "not published",
  pruned: "pruned",
};
