// The HTTP API of this server. Answers are kept by ETag: a refresh of what has not changed costs a 304.

const kept = new Map();

export class Refused extends Error {
  constructor(problem, status) {
    super(problem.detail ?? problem.title ?? `HTTP ${status}`);
    this.detail = this.message;
    this.status = status;
    this.slug = (problem.type ?? "").split(":").pop();
  }
}

export const state = { chain: null };

function address(path, parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ chain: state.chain, ...parameters }))
    if (value !== null && value !== undefined && value !== "") query.set(name, value);
  const text = query.toString();
  return `/v1${path}${text ? `?${text}` : ""}`;
}

async function answer(response) {
  if (response.ok) return response.json();
  let problem = {};
  try { problem = await response.json(); } catch { /* not a problem document: a proxy, perhaps */ }
  throw new Refused(problem, response.status);
}

/** GET one answer: {data, page, meta}. */
export async function get(path, parameters = {}, signal) {
  const url = address(path, parameters);
  const before = kept.get(url);
  const response = await fetch(url, { headers: before ? { "If-None-Match": before.tag } : {}, signal });
  if (response.status === 304) return before.body;
  const body = await answer(response);
  const tag = response.headers.get("ETag");
  if (tag) {
    if (kept.size > 200) kept.clear();
    kept.set(url, { tag, body });
  }
  return body;
}

/** GET a list to its end, or up to `most` rows. */
export async function list(path, parameters = {}, signal, most = 2000) {
  const rows = [];
  let cursor, body;
  do {
    body = await get(path, { limit: Math.min(1000, most), ...parameters, cursor }, signal);
    rows.push(...body.data);
    cursor = body.page?.next_cursor;
  } while (cursor && rows.length < most);
  return { data: rows, meta: body.meta, more: Boolean(cursor) };
}

/** The same, but a part of the page that has nothing to show yet stays empty instead of failing. */
export async function listOrEmpty(path, parameters, signal, most) {
  try {
    return await list(path, parameters, signal, most);
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return { data: [], meta: null, more: false };
    throw error;
  }
}

export async function post(path, body, signal) {
  const response = await fetch(`/v1${path}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });
  return { body: await answer(response), location: response.headers.get("Location"), status: response.status };
}

/** Follow the stream; the browser reconnects by itself and resumes after the last event. */
export function follow(channels, hear) {
  const source = new EventSource(address("/stream", { channels: channels.join(",") }));
  for (const name of [...channels, "heartbeat", "reorg", "lost"])
    source.addEventListener(name, (event) => hear(name, JSON.parse(event.data)));
  source.onopen = () => hear("open", null);
  source.onerror = () => hear("closed", null);
  return () => source.close();
}
