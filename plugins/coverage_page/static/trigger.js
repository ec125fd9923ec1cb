/* A Dag's own form, filled in from the address. Airflow's form cannot be opened with values (its dialog has no address),
   so this one is made from the same params, and starts the run through Airflow's public API with the user's own rights. */

import { airflow, part } from "./api.js";
import { dagLink, runLink } from "./airflow.js";
import { announce, h } from "./dom.js";
import { duration, plural } from "./format.js";
import { href } from "./router.js";

const OVER = ["success", "failed"];
const ASK_AGAIN_MS = 1500;
const FEW = 8;

/* A link, dressed as a button, to the form of `dagId` with `conf` filled in. */
export function toTrigger(dagId, conf, text) {
  return h(
    "a",
    { class: "button", href: href("trigger", [dagId], { conf: JSON.stringify(conf ?? {}) }), title: dagId },
    text,
  );
}

export async function make({ parts, search }, { signal }) {
  const [dagId = ""] = parts;
  const dag = await airflow(`dags/${part(dagId)}/details`, { signal });
  const wanted = parse(search.get("conf"));
  const name = dag.dag_display_name ?? dagId;
  const fields = Object.entries(dag.params ?? {}).map(([key, param]) => field(key, param, wanted[key]));
  const unpause = dag.is_paused ? h("input", { type: "checkbox", checked: true }) : null;
  const outcome = h("div", { class: "outcome" });
  const send = h("button", { type: "submit", class: "primary" }, "Run it");
  const form = h(
    "form",
    { class: "card trigger", "aria-labelledby": "trigger-title" },
    h("header", {}, h("h2", { id: "trigger-title" }, name), dagLink(dagId, "open in Airflow")),
    h("p", { class: "quiet" }, "Marked fields differ from the Dag's defaults. ", dag.description ?? ""),
    fields.map((one) => one.element),
    unpause
      ? h("label", { class: "tick" }, unpause, "The Dag is paused: unpause it and its schedule, or the run waits")
      : null,
    h("p", { class: "buttons" }, send, h("a", { class: "button", href: "#/", on: { click: back } }, "Back")),
    outcome,
  );
  const task = new AbortController();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    send.disabled = true;
    outcome.replaceChildren(h("p", {}, "asking Airflow …"));
    outcome.scrollIntoView({ block: "nearest" });
    try {
      if (unpause?.checked) await airflow(`dags/${part(dagId)}`, { method: "PATCH", body: { is_paused: false } });
      const conf = Object.fromEntries(fields.map((one) => [one.key, one.value()]));
      const run = await airflow(`dags/${part(dagId)}/dagRuns`, {
        method: "POST",
        body: { conf, logical_date: new Date().toISOString() },
      });
      await follow(dagId, run, outcome, task.signal);
    } catch (error) {
      if (error.name !== "AbortError") outcome.replaceChildren(h("p", { class: "bad", role: "alert" }, error.message));
    } finally {
      send.disabled = false;
    }
  });
  return { title: `Run ${name}`, node: form, asOf: null, destroy: () => task.abort() };
}

function back(event) {
  if (window.history.length > 1) {
    event.preventDefault();
    window.history.back();
  }
}

function parse(text) {
  try {
    const value = JSON.parse(text ?? "{}");
    return value && typeof value === "object" ? value : {};
  } catch {
    return {};
  }
}

/* Tells the run's state until it is over. */
async function follow(dagId, started, outcome, signal) {
  let run = started;
  const runs = `dags/${part(dagId)}/dagRuns`;
  const begun = Date.now();
  while (!signal.aborted) {
    const passed = duration((Date.now() - begun) / 1000);
    const over = OVER.includes(run.state);
    const text = over ? `The run ended: ${run.state}, after ${passed}.` : `The run is ${run.state}, ${passed} …`;
    const before =
      run.state === "queued" ? (await airflow(`${runs}?state=running&limit=1`, { signal })).dag_runs[0] : null;
    const lines = [
      h(
        "p",
        {},
        h("span", { class: `status ${run.state}` }, text),
        " ",
        runLink(dagId, run.dag_run_id, "Show it in Airflow"),
      ),
      before ? h("p", {}, "It waits for ", runLink(dagId, before.dag_run_id), ", which is running.") : null,
      run.note ? h("p", { class: "told" }, run.note.replaceAll("**", "")) : null,
    ];
    outcome.replaceChildren(...lines.filter(Boolean));
    if (over) {
      outcome.scrollIntoView({ block: "nearest" });
      announce(text);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
    run = await airflow(`${runs}/${part(run.dag_run_id)}`, { signal });
  }
}

/* One param as a field: {key, element, value()}. */
function field(key, { value: usual, schema = {}, description }, given) {
  const value = given === undefined ? usual : given;
  const id = `field-${key}`;
  const types = [schema.type].flat();
  const made = control(id, schema, types, value);
  const changed = given !== undefined && JSON.stringify(given) !== JSON.stringify(usual);
  const label = schema.title ?? key;
  const help = description ? h("p", { class: "quiet", id: `${id}-help` }, description) : null;
  if (help) made.input?.setAttribute("aria-describedby", help.id);
  const title = made.group
    ? h("span", { class: "label", id: `${id}-label` }, label)
    : h("label", { for: id, class: "label" }, label);
  if (made.group) made.group.setAttribute("aria-labelledby", `${id}-label`);
  const element = h(
    "div",
    { class: `field ${changed ? "changed" : ""}` },
    title,
    h("div", {}, made.group ?? made.input, help),
  );
  return { key, element, value: made.value };
}

function control(id, schema, types, value) {
  if (types.includes("array")) return choices(id, schema.examples ?? [], value ?? []);
  if (schema.enum) {
    const options = schema.enum.map((one) => h("option", { value: String(one), selected: one === value }, String(one)));
    const input = h("select", { id }, options);
    return { input, value: () => schema.enum[input.selectedIndex] };
  }
  if (types.includes("boolean")) return truth(id, types, value);
  const optional = types.includes("null");
  const number = types.includes("integer") || types.includes("number");
  const kind = number ? "number" : schema.format === "date" ? "date" : "text";
  const limits = number ? { min: text(schema.minimum), max: text(schema.maximum), step: "1" } : {};
  const input = h("input", { id, type: kind, value: text(value) ?? "", required: !optional, ...limits });
  return { input, value: () => (input.value === "" && optional ? null : number ? Number(input.value) : input.value) };
}

const text = (value) => (value === null || value === undefined ? undefined : String(value));

function truth(id, types, value) {
  if (!types.includes("null")) {
    const input = h("input", { id, type: "checkbox", checked: value === true });
    return { input, value: () => input.checked };
  }
  const answers = [
    ["not said", null],
    ["yes", true],
    ["no", false],
  ];
  const input = h(
    "select",
    { id },
    answers.map(([name, answer]) => h("option", { selected: answer === value }, name)),
  );
  return { input, value: () => answers[input.selectedIndex][1] };
}

/* A list: ticks where there are few values to choose from, else names with commas between. */
function choices(id, offered, value) {
  if (offered.length && offered.length <= FEW && value.every((one) => offered.includes(one))) {
    const boxes = offered.map((one) => h("input", { type: "checkbox", value: one, checked: value.includes(one) }));
    const group = h(
      "div",
      { class: "ticks", role: "group", id },
      boxes.map((box) => h("label", { class: "tick" }, box, box.value)),
    );
    return { group, value: () => boxes.filter((box) => box.checked).map((box) => box.value) };
  }
  const input = h("input", { id, type: "text", value: value.join(", "), placeholder: "none", spellcheck: "false" });
  const names = () =>
    input.value
      .split(",")
      .map((one) => one.trim())
      .filter(Boolean);
  input.title = plural(offered.length, "value offered", "values offered");
  return { input, value: names };
}
