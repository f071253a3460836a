// One account: what it holds and owes, how close to liquidation, how it came there, and what lies behind it.

import { getIfAny, list, Refused } from "../lib/api.js";
import { chart, draw } from "../lib/charts.js";
import { h, label, panel, replace, table, tag, tiles } from "../lib/dom.js";
import { address, amount, count, node, percent, price, ratio, time, times, usd } from "../lib/format.js";

const POINTS = 12;
const MOST_ACCOUNTS = 10;
const DAY = 86400;
const WINDOWS = { "7 days": 7, "30 days": 30, "90 days": 90, "1 year": 365 };

export async function show(root, { signal, query, rest: [wanted] }) {
  const account = (wanted ?? "").toLowerCase();
  if (!/^0x[0-9a-f]{40}$/.test(account)) {
    root.append(h("div", { class: "empty tall" }, h("h1", null, "That is no account"), h("p", null, "An account is 0x and 40 hex digits.")));
    return {};
  }
  const path = `/accounts/${account}`;
  let asked = query.get("owner") === "true" ? { owner: "true" } : {};
  let known = await getIfAny(`${path}/exposure`, asked, signal);
  if (!known && !asked.owner) known = await getIfAny(`${path}/exposure`, (asked = { owner: "true" }), signal); // it may hold by its wallets alone
  if (!known) {
    root.append(h("div", { class: "empty tall", id: "unknown" }, h("h1", null, "Not found"),
      h("p", { class: "mono wrap" }, account), h("p", null, "It never had a position in a protocol that is indexed on this chain.")));
    return {};
  }
  const owner = h("span"), summary = h("div"), positions = h("div"), health = h("div"), loops = h("div"), exposure = h("div"), through = h("div"), liquidations = h("div");
  const accounts = known.data.accounts.slice(0, MOST_ACCOUNTS); // one, or all of the owner
  const past = chart("Assets, debt and equity over time, USD", "tall", "Nothing was held or owed in this time.");
  const span = h("select", { id: "span" }, Object.entries(WINDOWS).map(([name, days]) => h("option", { value: days, selected: days === 30 }, name)));
  const copy = h("button", { type: "button", class: "button plain small", onclick: async () => {
    try { await navigator.clipboard.writeText(account); copy.textContent = "Copied"; } catch { getSelection().selectAllChildren(root.querySelector("#account")); }
  } }, "Copy");
  const size = accounts.length > 1 ? "" : "half"; // several accounts' positions take a column more
  root.append(
    h("div", { class: "title" }, h("h1", { class: "mono wrap", id: "account" }, account), copy, owner, members(account, known.data.accounts, asked.owner)),
    summary,
    h("div", { class: "grid" },
      panel("Positions", { note: "to the wei; interest to this block", size, id: "positions" }, positions),
      panel("Over time", { note: "12 points; health: the lowest of its scopes", size }, h("div", { class: "controls" }, label("Time", span)), past),
      panel("Health", { note: "by risk scope; liquidation prices with all else held", id: "health" }, health),
      panel("Loops", { note: "by both methods, beside each other", size: "half" }, loops),
      panel("Look-through", { note: "leverage behind the leverage, through vaults", size: "half" }, through),
      panel("Exposure", { note: "value that it moved between protocols", size: "half" }, exposure),
      panel("Liquidations", { note: "of this account, newest first", size: "half" }, liquidations)));

  let stamp = null;

  async function look() {
    const rows = async (more, parameters, most) => (await list(`${path}/${more}`, { ...asked, ...parameters }, signal, most)).data;
    const each = async (target, name, most) => (await Promise.all(accounts.map((one) => list(target, { [name]: one }, signal, most)))).flatMap((one) => one.data);
    const [held, scopes, leverage, risks, looped, seen, forced] = await Promise.all([
      list(`${path}/positions`, asked, signal), rows("health"), rows("leverage"), each("/liquidation-risk/positions", "account"), rows("loops", { is_open: "true" }),
      getIfAny(`${path}/exposure`, asked, signal), each("/liquidations", "borrower", 20)]);
    stamp = Date.parse(held.meta.block_time) / 1000;
    tell(summary, leverage, scopes, seen?.data.lookthrough);
    replace(owner, asked.owner ? null : ownerOf(held.data, seen?.data, account));
    replace(positions, positionTable(held.data, accounts.length > 1));
    replace(health, healthTable(scopes, leverage, risks, symbolsOf(held.data)));
    replace(loops, loopTable(looped));
    replace(exposure, edgeTable(seen?.data.edges ?? []));
    replace(through, throughTable(seen?.data.lookthrough));
    replace(liquidations, liquidationTable(forced.sort((a, b) => b.block_number - a.block_number).slice(0, 20)));
  }

  async function lookBack() {
    replace(past);
    drawPast(past, await sampled(path, asked, stamp, Number(span.value) * DAY, signal));
  }
  span.addEventListener("change", lookBack);
  await look();
  await lookBack();
  return { refresh: look };
}

const sum = (rows, name) => rows.reduce((total, row) => total + Number(row[name] ?? 0), 0);
const isolated = (row) => /:0x[0-9a-f]{64}$/.test(row.market_id ?? ""); // one market of many, which its id alone tells
const scope = (row) => h("span", { title: row.market_id ?? "" }, `${row.protocol} ${row.deployment}`, isolated(row) && h("span", { class: "soft mono" }, ` ${row.market_id.split(":").at(-1).slice(0, 8)}`));

/** Positions and health at POINTS times up to now; where the history is shorter, over what there is of it. */
async function sampled(path, asked, now, span, signal) {
  const at = (seconds) => Promise.all(["positions", "health"].map((part) => list(`${path}/${part}`, { ...asked, as_of_time: Math.floor(seconds) }, signal)));
  for (let n = 0; n < 8; n += 1, span /= 2) {
    try {
      const first = await at(now - span);
      const times = Array.from({ length: POINTS - 1 }, (_, one) => now - span + (span * (one + 1)) / (POINTS - 1));
      return [first, ...(await Promise.all(times.map(at)))].map(([positions, health]) => ({ time: positions.meta.block_time, positions: positions.data, health: health.data }));
    } catch (error) {
      if (!(error instanceof Refused && error.status === 404)) throw error; // before the first block that is kept
    }
  }
  return [];
}

function tell(element, leverage, scopes, seen) {
  const priced = leverage.filter((row) => row.assets_usd !== null);
  const assets = sum(priced, "assets_usd"), debt = sum(priced, "debt_usd"), equity = assets - debt;
  const factors = scopes.map((row) => row.health_factor).filter((value) => value !== null);
  const lowest = factors.length ? Math.min(...factors) : null;
  replace(element, tiles([
    ["Assets", usd(assets), `in ${count(leverage.length)} risk scopes${priced.length < leverage.length ? `, ${leverage.length - priced.length} without a price` : ""}`, "tile-assets"],
    ["Debt", usd(debt), null, "tile-debt"],
    ["Equity", usd(equity), null, "tile-equity"],
    ["Leverage", debt > 0 && equity > 0 ? times(assets / equity) : "–", "assets over equity", "tile-leverage"],
    ["Lowest health", lowest === null ? "–" : tag(ratio(lowest, 3), lowest < 1 ? "bad" : lowest < 1.1 ? "warn" : "good"), lowest === null ? "owes nothing" : "below 1 it can be liquidated", "tile-health"],
    ["Seen through vaults", seen ? times(seen.leverage_lookthrough) : "–", seen ? `${count(seen.hops)} vaults deep` : "holds and owes nothing", "tile-through"],
  ]));
}

function ownerOf(rows, seen, account) {
  const owner = rows.find((row) => row.owner !== account)?.owner ?? (seen && seen.owner_id !== account ? seen.owner_id : null);
  return owner ? h("span", { class: "note" }, "of ", h("a", { class: "mono", href: `#/account/${owner}` }, address(owner))) : null;
}

/** Which accounts are looked at: this one, or all of its owner. */
function members(account, accounts, whole) {
  if (!whole) return h("a", { class: "note", href: `#/account/${account}?owner=true` }, "all accounts of its owner");
  return h("span", { class: "note", id: "members" }, `with ${count(accounts.length - 1)} more of its owner: `,
    accounts.slice(0, MOST_ACCOUNTS).filter((one) => one !== account).map((one, n) => [n > 0 && ", ", h("a", { class: "mono", href: `#/account/${one}` }, address(one))]),
    accounts.length > MOST_ACCOUNTS && `; risk and liquidations of the first ${MOST_ACCOUNTS}`);
}

const symbolsOf = (rows) => new Map(rows.map((row) => [row.asset, row.symbol]));
const SIDES = { debt: "bad", short: "bad", supply: "good", collateral: "good", long: "good" };

function positionTable(rows, several) {
  return table([
    ...(several ? [{ name: "Account", value: (row) => h("a", { class: "mono", href: `#/account/${row.account}` }, address(row.account)) }] : []),
    { name: "Market", value: scope },
    { name: "Side", value: (row) => [tag(row.side, SIDES[row.side] ?? ""), row.side === "supply" && !row.is_collateral && h("span", { class: "soft", title: "does not back debt" }, " lent")].filter(Boolean) },
    { name: "Asset", value: (row) => h("span", { title: row.asset }, row.symbol ?? address(row.asset)) },
    { name: "Amount", number: true, value: (row) => h("span", { title: `${row.amount_raw} base units` }, amount(row.amount)) },
    { name: "Value", number: true, value: (row) => h("span", { title: `at ${price(row.price_usd)}` }, usd(row.amount_usd)) },
  ], [...rows].sort((a, b) => Number(b.amount_usd ?? 0) - Number(a.amount_usd ?? 0)), { caption: "Positions", empty: "All closed." });
}

function healthTable(scopes, leverage, risks, symbols) {
  const key = (row) => `${row.account} ${row.protocol} ${row.deployment} ${row.market_id}`;
  const of = new Map(leverage.map((row) => [key(row), row])), risk = new Map(risks.map((row) => [key(row), row]));
  const prices = (row) => Object.entries(risk.get(key(row))?.liquidation_prices ?? {});
  return table([
    { name: "Scope", value: scope },
    { name: "Status", value: (row) => tag(row.status.replace("_", " "), row.status === "ok" || row.status === "no_debt" ? "" : "bad") },
    { name: "Health", number: true, value: (row) => (row.health_factor === null ? null : tag(ratio(row.health_factor, 4), row.is_liquidatable ? "bad" : row.health_factor < 1.1 ? "warn" : "good")) },
    { name: "Collateral", number: true, value: (row) => usd(row.collateral_usd) },
    { name: "Debt", number: true, value: (row) => usd(row.debt_usd) },
    { name: "Leverage", number: true, value: (row) => times(of.get(key(row))?.assets_to_equity) },
    { name: "LTV", number: true, value: (row) => percent(of.get(key(row))?.ltv) },
    { name: "Pair", value: (row) => of.get(key(row))?.pair_class?.replace("_", " ") },
    { name: "Falls by", number: true, title: "uniform fall of collateral that makes it liquidatable", value: (row) => percent(risk.get(key(row))?.first_eligible_drop) },
    { name: "Liquidation prices", value: (row) => (prices(row).length ? h("span", null, prices(row).map(([asset, found], n) => [n > 0 && ", ", `${symbols.get(asset) ?? address(asset)} ${found.direction === "down" ? "≤" : "≥"} ${price(found.price_usd)}`])) : null) },
  ], scopes, { caption: "Health by risk scope", empty: "Nothing backs debt here." });
}

function loopTable(rows) {
  return table([
    { name: "Through", value: (row) => (row.projects ?? []).join(", ") },
    { name: "Found by", value: (row) => tag(row.method) },
    { name: "Kind", value: (row) => [tag(row.kind), " ", row.shape === "chain" && tag("chain"), row.is_flash && tag("flash", "warn")].filter(Boolean) },
    { name: "Turns", number: true, value: (row) => row.turns },
    { name: "Debt", number: true, value: (row) => usd(row.debt_usd) },
    { name: "Multiplier", number: true, value: (row) => times(row.multiplier) },
    { name: "Bound", number: true, title: "1 / (1 − LTV)", value: (row) => times(row.bound) },
  ], rows, { caption: "Open loops", empty: "No open loop." });
}

function throughTable(seen) {
  if (!seen) return h("p", { class: "empty" }, "Nothing is held or owed.");
  return table([
    { name: "", value: (row) => row[0] },
    { name: "Assets", number: true, value: (row) => usd(row[1]) },
    { name: "Debt", number: true, value: (row) => usd(row[2]) },
    { name: "Leverage", number: true, value: (row) => times(row[3]) },
  ], [
    ["As booked", seen.gross_assets_usd, seen.gross_debt_usd, seen.leverage_gross],
    ["Same asset set off", null, null, seen.leverage_netted],
    ["Seen through vaults", seen.assets_usd, seen.debt_usd, seen.leverage_lookthrough],
    ...(Number(seen.unresolved_usd) > 0 ? [["Vaults that cannot be seen through", seen.unresolved_usd, null, null]] : []),
  ], { caption: "Look-through leverage" });
}

function edgeTable(rows) {
  return table([
    { name: "From", value: (row) => h("span", { title: row.src_market }, node(row.src)) },
    { name: "To", value: (row) => h("span", { title: row.dst_market }, node(row.dst)) },
    { name: "As", value: (row) => tag(row.edge_kind) },
    { name: "Found by", value: (row) => tag(row.method) },
    { name: "Token", value: (row) => row.symbol ?? address(row.token) },
    { name: "Value", number: true, value: (row) => usd(row.value_usd) },
  ], [...rows].sort((a, b) => Number(b.value_usd ?? 0) - Number(a.value_usd ?? 0)), { caption: "Exposure", empty: "Nothing of it is posted elsewhere." });
}

function liquidationTable(rows) {
  return table([
    { name: "When", value: (row) => time(row.block_time) },
    { name: "Repaid", number: true, value: (row) => `${usd(row.debt_repaid_usd)} ${row.debt_symbol ?? ""}` },
    { name: "Taken", number: true, value: (row) => `${usd(row.collateral_seized_usd)} ${row.collateral_symbol ?? ""}` },
    { name: "Bonus", number: true, value: (row) => percent(row.bonus) },
  ], rows, { caption: "Liquidations of this account", empty: "It was never liquidated." });
}

function drawPast(element, points) {
  const value = (point, owed) => point.positions.filter((row) => (row.side === "debt") === owed && row.amount_usd !== null && !["long", "short"].includes(row.side)).reduce((total, row) => total + Number(row.amount_usd), 0);
  const lowest = (point) => { const all = point.health.map((row) => row.health_factor).filter((each) => each !== null); return all.length ? Math.min(...all) : null; };
  const any = points.some((point) => point.positions.length);
  const line = (name, ink, of, more) => ({ name, type: "line", showSymbol: false, lineStyle: { width: 2 }, color: ink, data: any ? points.map((point) => [point.time, of(point)]) : [], ...more });
  draw(element, ({ colour }) => ({
    tooltip: { valueFormatter: (shown) => shown === null ? "–" : Math.abs(shown) < 20 ? ratio(shown, 3) : usd(shown) },
    xAxis: { type: "time" },
    yAxis: [{ type: "value", axisLabel: { formatter: usd } }, { type: "value", scale: true, position: "right", splitLine: { show: false }, splitNumber: 3, axisLabel: { formatter: (shown) => ratio(shown, 3) } }],
    series: [
      line("assets", colour("c2"), (point) => value(point, false), { areaStyle: { opacity: 0.12 } }),
      line("debt", colour("bad"), (point) => value(point, true), { areaStyle: { opacity: 0.15 } }),
      line("equity", colour("c1"), (point) => value(point, false) - value(point, true)),
      line("health", colour("c4"), lowest, { yAxisIndex: 1, lineStyle: { type: "dashed", width: 2 }, tooltip: { valueFormatter: (shown) => ratio(shown, 3) } }),
    ],
  }));
}
