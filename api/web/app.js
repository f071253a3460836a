// The page: which view is shown, of which chain, and when it is looked at again.

import { Away, follow, get, state, useKey } from "./lib/api.js";
import { repaint, sweep } from "./lib/charts.js";
import { failure, h, replace } from "./lib/dom.js";
import { address, ago, count, usd } from "./lib/format.js";
import * as account from "./views/account.js";
import * as cascade from "./views/cascade.js";
import * as loops from "./views/loops.js";
import * as overview from "./views/overview.js";
import * as risk from "./views/risk.js";

const VIEWS = { overview, loops, risk, cascade, account };
const NAMES = { overview: "Overview", loops: "Loops", risk: "Risk", cascade: "Cascade" };
const REFRESH_MS = 2000;
const LOOK_AGAIN_MS = 3000;
const TOAST_MS = 12000;

const main = document.getElementById("main");
const nav = document.getElementById("nav");
const head = document.getElementById("head");
const toasts = document.getElementById("toasts");

let shown = null;
let stop = null;
let stale = false;
let timer = null;
let looking = false;
let away = null;

const place = () => {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/");
  return { name: VIEWS[name] ? name : "overview", rest: rest.map(decodeURIComponent), query: new URLSearchParams(query) };
};

/** Show the view that the address names. A view's `show(root, context)` may return {refresh}. */
async function open() {
  const at = place();
  shown?.abort.abort();
  const abort = new AbortController();
  const current = (shown = { abort, view: null });
  delete main.dataset.ready;
  for (const link of nav.children) link.removeAttribute("aria-current");
  nav.querySelector(`[data-view="${at.name}"]`)?.setAttribute("aria-current", "page");
  document.title = `${NAMES[at.name] ?? address(at.rest[0])} · Leverage`;
  const root = h("div", { class: "view loading" }); // in the page from the start: charts need to know their size
  replace(main, h("div", { class: "skeleton", "aria-busy": "true", "aria-label": "Loading" }), h("div", { class: "skeleton tall" }), root);
  try {
    if (!(await status())) return idle();
    const view = await VIEWS[at.name].show(root, { ...at, signal: abort.signal });
    if (abort.signal.aborted) return;
    root.classList.remove("loading");
    replace(main, root);
    current.view = view;
    main.dataset.ready = at.name;
  } catch (error) {
    if (!abort.signal.aborted) fail(error);
  }
  sweep();
}

/** Say what went wrong; ask for a key where one is needed, and come back by itself where the server, or its database, is away. */
function fail(error) {
  main.dataset.ready = "error";
  if (error.status === 401) {
    const key = h("input", { id: "key", type: "password", autocomplete: "off", required: true });
    const form = h("form", { class: "controls" }, h("label", null, "Key", key), h("button", { class: "button" }, "Use it"));
    form.addEventListener("submit", (event) => { event.preventDefault(); useKey(key.value.trim()); start(); });
    return replace(main, failure(error), h("p", { class: "note" }, "This server asks for a key (leverage key create NAME). It is kept until this tab is closed."), form);
  }
  const again = h("button", { type: "button", class: "button plain", onclick: () => open() }, "Try again");
  replace(main, failure(error, again));
  if (error instanceof Away || error.status === 503) {
    replace(head, h("span", { class: "dot off" }), "no answer");
    clearTimeout(away);
    away = setTimeout(start, LOOK_AGAIN_MS);
  }
}

/** Nothing is indexed on this chain yet: say so and look again. */
function idle() {
  main.dataset.ready = "idle";
  replace(main, h("div", { class: "empty tall", id: "idle" }, h("h1", null, "Nothing indexed yet"),
    h("p", null, "This page fills as soon as the first blocks are in the database: ", h("code", null, "leverage run"), ", or ", h("code", null, "leverage demo"), " for a recorded chain.")));
  clearTimeout(away);
  away = setTimeout(start, LOOK_AGAIN_MS);
}

/** Look again, at most every few seconds, one look at a time, and not while nobody looks. */
function again() {
  stale = true;
  if (timer || looking || document.hidden) return;
  timer = setTimeout(look, REFRESH_MS);
}

async function look() {
  timer = null;
  looking = true;
  stale = false;
  const current = shown;
  try {
    await status();
    await current?.view?.refresh?.();
    main.dataset.updates = Number(main.dataset.updates ?? 0) + 1;
  } catch { /* a view that was left, or a server that is away: the next block brings another chance */ }
  looking = false;
  sweep();
  if (stale) again();
}

/** Tell where the index stands. Returns whether the chain has anything to show. */
async function status() {
  const { data } = await get("/status", { chain: null });
  const chains = data.chains;
  if (!chains.length) {
    replace(head, h("span", { class: "dot off" }), "nothing indexed yet");
    return false;
  }
  const wanted = state.chain ?? localStorage.getItem("chain");
  const chain = chains.find((one) => one.chain === wanted) ?? chains.find((one) => one.indexed_block !== null) ?? chains[0];
  if (state.chain !== chain.chain) {
    state.chain = chain.chain;
    listen();
  }
  const stopped = chain.protocols.filter((protocol) => protocol.status === "stopped");
  const kind = stopped.length ? "off" : chain.lag_blocks > 5 ? "late" : "live";
  const told = stopped.length ? `stopped: ${stopped.map((one) => one.protocol).join(", ")}` : data.state;
  const choose = h("select", { id: "chain", "aria-label": "Chain", onchange: (event) => {
    localStorage.setItem("chain", event.target.value);
    state.chain = null;
    open();
  } }, chains.map((one) => h("option", { value: one.chain, selected: one.chain === chain.chain }, one.chain)));
  replace(head, h("span", { class: `dot ${kind}`, title: told, role: "img", "aria-label": told }),
    chains.length > 1 ? choose : h("span", null, chain.chain),
    h("span", { id: "head-block", title: `${chain.block_hash ?? ""}, ${ago(chain.lag_seconds)} old` }, chain.indexed_block === null ? "no block yet" : `block ${count(chain.indexed_block)}`),
    stopped.length > 0 && h("span", { class: "negative" }, told));
  return chain.indexed_block !== null;
}

const TELL = {
  reorg: (body) => ["warn", `Reorg: blocks from ${count(body.first_invalid_block)} on were replaced. What is shown is read again.`],
  lost: (body) => ["warn", `Messages were missed: ${body.reason}`],
  liquidations: (body) => ["bad", h("span", null, "Liquidation of ", h("a", { class: "mono", href: `#/account/${body.borrower}` }, address(body.borrower)), `, ${usd(body.debt_repaid_usd)} repaid, block ${count(body.block_number)}`)],
};

function toast([kind, text]) {
  const close = h("button", { type: "button", class: "close", "aria-label": "Dismiss", onclick: () => note.remove() }, "×");
  const note = h("div", { class: `toast ${kind}` }, h("div", null, text), close);
  toasts.append(note);
  while (toasts.children.length > 4) toasts.firstChild.remove();
  setTimeout(() => note.remove(), TOAST_MS);
}

function listen() {
  stop?.();
  stop = follow(["block", "liquidations", "loops", "purges", "reorg"], (name, body) => {
    head.dataset.stream = name === "closed" ? "closed" : "open";
    if (name === "closed") head.querySelector(".dot.live")?.classList.replace("live", "late");
    else again();
    if (TELL[name]) toast(TELL[name](body));
  });
}

const start = () => { clearTimeout(away); return open(); };

for (const [view, name] of Object.entries(NAMES)) nav.append(h("a", { href: `#/${view}`, dataset: { view } }, name));
document.getElementById("theme").addEventListener("click", () => {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
  repaint();
});
document.getElementById("find").addEventListener("submit", (event) => {
  event.preventDefault();
  const wanted = event.target.account.value.trim().toLowerCase();
  if (wanted) location.hash = `#/account/${wanted}`;
});
window.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "Escape") { toasts.replaceChildren(); if (typing) typing.blur(); }
  if (event.key === "/" && !typing) { event.preventDefault(); document.getElementById("find-account").focus(); }
});
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); }); // its address is no view's
window.addEventListener("hashchange", () => { start(); main.focus({ preventScroll: true }); window.scrollTo(0, 0); });
document.addEventListener("visibilitychange", () => { if (!document.hidden && stale) again(); });

await start();
