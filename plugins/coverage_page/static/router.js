/* The view and its filters live in the address (`#/series/BTC/1h?start=…`): it can be shared, reloaded and gone back to.
   Inside Airflow the outer address is kept the same, since that is the one people copy. */

export function route(hash = window.location.hash) {
  const text = hash.startsWith("#") ? hash.slice(1) : "/";
  const [path, search = ""] = text.split("?");
  const parts = path.split("/").filter(Boolean).map(decode);
  return { view: parts[0] ?? "heatmap", parts: parts.slice(1), search: new URLSearchParams(search) };
}

export function href(view, parts = [], parameters = {}) {
  const path = view === "heatmap" ? "" : [view, ...parts].map(encodeURIComponent).join("/");
  const filled = Object.entries(parameters).filter(
    ([, value]) => value !== "" && value !== null && value !== undefined,
  );
  const search = new URLSearchParams(filled).toString();
  return `#/${path}${search ? `?${search}` : ""}`;
}

export function go(target) {
  window.location.hash = target;
}

/* Changes parameters of the present address without a new entry in the history, and without a new view. */
export function remember(changes) {
  const now = route();
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value === null || value === undefined || value === false) now.search.delete(name);
    else now.search.set(name, value);
  }
  const target = href(now.view, now.parts, Object.fromEntries(now.search));
  window.history.replaceState(window.history.state, "", target);
  tellAirflow();
}

export function tellAirflow() {
  if (window.parent === window) return;
  try {
    const outer = window.parent.location;
    const prefix = outer.pathname.match(/^.*?\/plugin\/[^/]+/)?.[0];
    if (!prefix) return;
    const inner = window.location.pathname + window.location.search + window.location.hash;
    window.parent.history.replaceState(window.parent.history.state, "", prefix + inner);
  } catch {
    // framed by another origin: its address is its own
  }
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
