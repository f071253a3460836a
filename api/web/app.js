// The page: which view is shown, of which chain, and when it is looked at again.

import { follow, get, state } from "./lib/api.js";
import { repaint, sweep } from "./lib/charts.js";
import { failure, h, replace } from "./lib/dom.js";
import { ago, count } from "./lib/format.js";
import * as account from "./views/account.js";
import * as cascade from "./views/cascade.js";
import * as loops from "./views/loops.js";
import * as overview from "./views/overview.js";
import * as risk from "./views/risk.js";

const VIEWS = { overview, loops, risk, cascade, account };
const NAMES = { overview: "Overview", loops: "Loops", risk: "Risk", cascade: "Cascade" };
const REFRESH_MS = 3000;

const main = document.getElementById("main");
const nav = document.getElementById("nav");
const head = document.getElementById("head");

let shown = null;
let stop = null;
let stale = false;
let timer = null;

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
  for (const link of nav.children) link.toggleAttribute("aria-current", false);
  nav.querySelector(`[data-view="${at.name}"]`)?.setAttribute("aria-current", "page");
  document.title = `${NAMES[at.name] ?? at.rest[0] ?? ""} · Leverage`;
  replace(main, h("div", { class: "skeleton", "aria-busy": "true" }));
  try {
    const root = h("div", { class: "view", style: "display:contents" });
    const view = await VIEWS[at.name].show(root, { ...at, signal: abort.signal });
    if (abort.signal.aborted) return;
    replace(main, root);
    current.view = view;
    view?.mounted?.();
    main.dataset.ready = at.name;
  } catch (error) {
    if (abort.signal.aborted) return;
    replace(main, failure(error));
    main.dataset.ready = "error";
  }
  sweep();
}

/** Look again, at most every few seconds, and not while nobody looks. */
function again() {
  stale = true;
  if (timer || document.hidden) return;
  timer = setTimeout(async () => {
    timer = null;
    if (!stale) return;
    stale = false;
    try { await shown?.view?.refresh?.(); } catch (error) { if (error.name !== "AbortError") console.warn(error.message); }
    sweep();
  }, REFRESH_MS);
}

async function status() {
  const { data } = await get("/status", { chain: null });
  const chains = data.chains;
  if (!chains.length) {
    replace(head, h("span", { class: "dot off" }), "nothing indexed yet");
    return false;
  }
  if (!chains.some((chain) => chain.chain === state.chain)) state.chain = chains[0].chain;
  const chain = chains.find((one) => one.chain === state.chain);
  const stopped = chain.protocols.filter((protocol) => protocol.status === "stopped");
  const kind = stopped.length ? "off" : chain.lag_blocks > 5 ? "late" : "live";
  const choose = chains.length > 1 && h("select", { "aria-label": "Chain", onchange: (event) => { state.chain = event.target.value; listen(); open(); } },
    chains.map((one) => h("option", { value: one.chain, selected: one.chain === state.chain }, one.chain)));
  replace(head, h("span", { class: `dot ${kind}`, title: stopped.length ? `stopped: ${stopped.map((p) => p.protocol).join(", ")}` : data.state }),
    choose || h("span", null, chain.chain),
    h("span", { id: "head-block", title: `${chain.block_hash ?? ""}, ${ago(chain.lag_seconds)} old` }, `block ${count(chain.indexed_block)}`));
  return true;
}

function listen() {
  stop?.();
  stop = follow(["block", "liquidations", "loops", "purges", "reorg"], (name) => {
    if (name === "closed") head.querySelector(".dot")?.classList.replace("live", "late");
    else status().then(again, () => {});
  });
}

for (const [view, name] of Object.entries(NAMES)) nav.append(h("a", { href: `#/${view}`, dataset: { view } }, name));
document.getElementById("theme").addEventListener("click", () => {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
  repaint();
});
document.getElementById("find").addEventListener("submit", (event) => {
  event.preventDefault();
  location.hash = `#/account/${event.target.account.value.trim().toLowerCase()}`;
});
window.addEventListener("hashchange", () => { open(); main.focus({ preventScroll: true }); window.scrollTo(0, 0); });
document.addEventListener("visibilitychange", () => { if (!document.hidden && stale) again(); });

try {
  if (await status()) listen();
  await open();
} catch (error) {
  replace(main, failure(error));
  main.dataset.ready = "error";
}
