/* The page's own API (`api/…`) and Airflow's (`../api/v2/…`), both with the cookie of the login. */

export class ApiError extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

function query(parameters) {
  const filled = Object.entries(parameters).filter(
    ([, value]) => value !== "" && value !== null && value !== undefined,
  );
  const text = new URLSearchParams(filled).toString();
  return text ? `?${text}` : "";
}

export const part = encodeURIComponent;
export const address = (path, parameters = {}) => `api/${path}${query(parameters)}`;
export const get = (path, parameters, signal) => call(address(path, parameters), { signal });
export const airflow = (path, options = {}) => call(`../api/v2/${path}`, options);

async function call(url, { method = "GET", body, signal } = {}) {
  const options = { method, signal, cache: "no-cache", headers: { Accept: "application/json" } };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(
      0,
      "Airflow's api-server does not answer: is it running? The page tries again when you press Refresh.",
    );
  }
  const text = await answer.text();
  if (!answer.ok) throw new ApiError(answer.status, sentence(answer.status, text));
  return JSON.parse(text);
}

function sentence(status, text) {
  if (status === 401) return "Your login has ended: reload Airflow and sign in again.";
  let detail = "";
  try {
    detail = JSON.parse(text).detail;
  } catch {
    detail = text.slice(0, 200);
  }
  if (Array.isArray(detail)) detail = detail.map((one) => `${one.loc?.at(-1) ?? "value"}: ${one.msg}`).join("; ");
  if (detail && typeof detail === "object") detail = detail.message ?? JSON.stringify(detail);
  if (status === 403)
    return `Your role may not do this (${detail || "forbidden"}): ask an admin for the right to read Dags.`;
  return detail ? String(detail) : `The server answered ${status}.`;
}
