// The HTTP API of this server. Answers are kept by ETag: a refresh of what has not changed costs a 304.

const kept = new Map();
const KEY = "leverage-key";
const RETRY_MS = [500, 1000, 2000, 5000, 10000];

export class Refused extends Error {
  constructor(problem, status) {
    super(problem.detail ?? problem.title ?? `HTTP ${status}`);
    this.detail = this.message;
    this.status = status;
  }
}

/** The server does not answer at all. */
export class Away extends Error {
  constructor() {
    super("The API does not answer. It is asked again every few seconds.");
  }
}

export const state = { chain: null };

/** The key of servers that ask for one; kept until the tab is closed. */
export const useKey = (key) => sessionStorage.setItem(KEY, key);
const headers = (more = {}) => (sessionStorage.getItem(KEY) ? { ...more, "X-API-Key": sessionStorage.getItem(KEY) } : more);

function address(path, parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ chain: state.chain, ...parameters }))
    if (value !== null && value !== undefined && value !== "") query.set(name, value);
  const text = query.toString();
  return `/v1${path}${text ? `?${text}` : ""}`;
}

async function ask(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    throw error.name === "AbortError" ? error : new Away();
  }
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
  const response = await ask(url, { headers: headers(before ? { "If-None-Match": before.tag } : {}), signal, cache: "no-store" });
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

/** GET what may not exist (yet): null instead of a 404. */
export async function getIfAny(path, parameters, signal) {
  try {
    return await get(path, parameters, signal);
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return null;
    throw error;
  }
}

export async function post(path, body, signal) {
  const response = await ask(address(path, {}), { method: "POST", headers: headers({ "Content-Type": "application/json" }), body: JSON.stringify(body), signal });
  return answer(response);
}

/**
 * Follow the stream: hear(name, data) for every event, "open" and "closed" for the connection. It comes back by itself and goes
 * on after the last event. (Not EventSource, which cannot send a key.)
 */
export function follow(channels, hear) {
  const stop = new AbortController();
  let last = null, failures = 0;
  const url = address("/stream", { channels: channels.join(",") });

  async function once() {
    const response = await fetch(url, { headers: headers(last ? { "Last-Event-ID": last } : {}), signal: stop.signal, cache: "no-store" });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    failures = 0;
    hear("open", null);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (text + value).split("\n\n");
      text = blocks.pop();
      for (const block of blocks) take(block);
    }
  }
  function take(block) {
    const fields = {};
    for (const line of block.split("\n")) {
      const at = line.indexOf(": ");
      if (at > 0) fields[line.slice(0, at)] = line.slice(at + 2);
    }
    if (fields.event) hear(fields.event, JSON.parse(fields.data));
    if (fields.id) last = fields.id;
  }
  (async () => {
    while (!stop.signal.aborted) {
      try { await once(); } catch { /* told below */ }
      if (stop.signal.aborted) return;
      hear("closed", null);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]));
    }
  })();
  return () => stop.abort();
}
