/* Links to Airflow's own pages. Airflow's frame forbids its content to leave it, so inside the frame the link is
   followed by the outer page (same origin), as if it had been clicked there. */

import { h } from "./dom.js";

const page = (path) => new URL(`../${path}`, document.baseURI).href;

function outer() {
  try {
    return window.parent !== window && window.parent.document ? window.parent : null;
  } catch {
    return null;
  }
}

export function open(url) {
  const framing = outer();
  if (!framing) {
    window.location.assign(url);
    return;
  }
  const link = framing.document.createElement("a");
  link.href = url;
  framing.document.body.append(link);
  link.click();
  link.remove();
}

function link(path, text, properties = {}) {
  const url = page(path);
  const element = h("a", { href: url, ...properties }, text);
  element.addEventListener("click", (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    open(url);
  });
  return element;
}

export const dagLink = (dagId, text = dagId, properties = {}) =>
  link(`dags/${encodeURIComponent(dagId)}`, text, properties);
export const runLink = (dagId, runId, text = runId, properties = {}) =>
  link(`dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}`, text, properties);
