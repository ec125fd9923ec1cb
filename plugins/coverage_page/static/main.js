/* The frame of the page: which view is shown, how old its data are, and what happens when something fails. */

import { ApiError, get } from "./api.js";
import { announce, h } from "./dom.js";
import { age, clock } from "./format.js";
import * as heatmap from "./heatmap.js";
import * as overview from "./overview.js";
import { href, route, tellAirflow } from "./router.js";
import * as series from "./series.js";
import * as trigger from "./trigger.js";

const VIEWS = { heatmap, overview, series, trigger };
const TABS = [
  ["heatmap", "Heatmap"],
  ["overview", "Overview"],
];
const FRESH_MS = 60_000;
const main = document.getElementById("main");
const stamp = document.getElementById("as-of");
let shown = null; // {view, destroy, asOf, shownAt}
let loading = null;
/* Asked once: the timeframes, and whether the candles are real. If it fails, the view itself says why. */
const basics = get("overview")
  .then((answer) => {
    document.getElementById("simulated").hidden = !answer.simulated;
    return answer;
  })
  .catch(() => ({ timeframes: [] }));

function tabs(current) {
  const links = TABS.map(([view, name]) =>
    h("a", { href: href(view), "aria-current": view === current.view ? "page" : null }, name),
  );
  if (!TABS.some(([view]) => view === current.view)) {
    const name = current.view === "series" ? current.parts.join(" ") : "Run a Dag";
    links.push(h("a", { href: window.location.hash, "aria-current": "page" }, name));
  }
  document.getElementById("views").replaceChildren(...links);
}

/* Shows the view of the address. `quietly`: the same view again with newer data, so nothing jumps or is announced. */
async function show(quietly = false) {
  loading?.abort();
  loading = new AbortController();
  const { signal } = loading;
  const current = route();
  const view = VIEWS[current.view];
  tabs(current);
  tellAirflow();
  if (!view) {
    fail(new ApiError(404, `There is no view named ${current.view}: use the links above.`));
    return;
  }
  if (!quietly) {
    main.setAttribute("aria-busy", "true");
    main.classList.add("loading");
  }
  try {
    const made = await view.make(current, { signal, asOf, basics });
    if (signal.aborted) {
      made.destroy?.();
      return;
    }
    const scroll = quietly ? made.keep?.(shown) : null;
    shown?.destroy?.();
    const top = quietly ? main.scrollTop : 0;
    main.replaceChildren(made.node);
    main.scrollTop = top;
    shown = { ...shown, ...made, destroy: made.destroy, view: current.view };
    made.mounted?.(scroll);
    tick();
    document.title = `${made.title} · Coverage`;
    if (!quietly) announce(made.said ?? made.title);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (quietly && shown) stamp.textContent = `${error.message}`;
    else fail(error);
    if (!(error instanceof ApiError)) throw error;
  } finally {
    if (!signal.aborted) {
      main.removeAttribute("aria-busy");
      main.classList.remove("loading");
    }
  }
}

function fail(error) {
  shown?.destroy?.();
  shown = { asOf: null };
  const again = h("button", { type: "button", on: { click: () => show() } }, "Try again");
  const text =
    error instanceof ApiError
      ? error.message
      : `The page failed: ${error.message}. Reload it; if that does not help, report it.`;
  main.replaceChildren(h("div", { class: "note bad", role: "alert" }, h("p", {}, text), again));
  tick();
}

/* Every view says from when its data are. */
function asOf(answer) {
  shown = { ...shown, asOf: answer.as_of, measuredAt: answer.measured_at };
  if (answer.simulated !== undefined) document.getElementById("simulated").hidden = !answer.simulated;
  tick();
}

function tick() {
  stamp.parentElement.hidden = shown !== null && !shown.asOf && route().view === "trigger";
  stamp.hidden = !shown?.asOf;
  if (!shown?.asOf) return;
  const measured = shown.measuredAt
    ? h("span", { title: clock(shown.measuredAt) }, `; measured ${age(shown.measuredAt)}`)
    : "";
  stamp.replaceChildren(
    "as of ",
    h("time", { datetime: shown.asOf }, clock(shown.asOf)),
    `, ${age(shown.asOf)}`,
    measured,
  );
}

document.getElementById("refresh").addEventListener("click", () => show(true));
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
window.addEventListener("hashchange", () => show());
window.setInterval(tick, 1000);
window.setInterval(() => {
  const busy = main.contains(document.activeElement) && !document.activeElement.matches("main, .grid-cell");
  if (document.visibilityState === "visible" && !busy && route().view !== "trigger") show(true);
}, FRESH_MS);

show();
