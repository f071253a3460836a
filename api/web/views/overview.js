// How much leverage there is, where, and how it moves.

import { get, list } from "../lib/api.js";
import { chart, draw } from "../lib/charts.js";
import { h, panel, replace, table, tag, tiles } from "../lib/dom.js";
import { address, amount, count, percent, price, ratio, time, times, usd } from "../lib/format.js";

const EDGES = ["1", "1.25", "1.5", "2", "3", "4", "5", "7.5", "10", "15", "20", "50", "∞"];
const PARTS = ["debt", "collateral", "equity", "lender_supply"];

export async function show(root, { signal }) {
  const summary = h("div");
  const leverage = chart("Leverage of borrowers by deployment over time", "", "The first snapshot interval is not over yet.");
  const debt = chart("Debt by deployment over time, USD", "", "The first snapshot interval is not over yet.");
  const velocity = chart("Change of debt a day by cause, USD", "", "Velocity needs a day of history.");
  const distribution = chart("Debt by leverage of the borrower", "", "No borrower with a price.");
  const parts = Object.fromEntries(["purges", "corrections", "perps", "deployments", "liquidations", "concentration", "utilization"].map((name) => [name, h("div")]));
  const perps = panel("Perp markets", { note: "at the head" }, parts.perps);
  perps.hidden = true;
  root.append(
    h("div", { class: "title" }, h("h1", null, "Overview"), h("p", null, "Debt-financed positions, by protocol")),
    summary,
    h("div", { class: "grid" },
      panel("Leverage of borrowers", { note: "assets over equity, ratio of sums; shaded: corrections", size: "half" }, leverage),
      panel("Debt", { note: "USD at the protocols' own oracles", size: "half" }, debt),
      panel("Velocity of debt", { note: "what changed the debt of the whole chain within a day, USD", size: "half" }, velocity),
      panel("Distribution of leverage", { note: "debt of borrowers, by their assets over equity", size: "half" }, distribution),
      panel("Deployments", { note: "borrowers at the head", size: "half" }, parts.deployments),
      panel("Concentration", { note: "by owner, whole chain", size: "half" }, parts.concentration),
      perps,
      panel("Purges", { note: "debt or open interest that collapsed within hours", size: "half" }, parts.purges),
      panel("Latest liquidations", { size: "half" }, parts.liquidations),
      panel("Corrections", { note: "10 % below the peak of 90 days, or a stable off its peg", size: "half" }, parts.corrections),
      panel("Most used markets", { note: "debt over supply, by each protocol's own formula", size: "half" }, parts.utilization)));

  async function look() {
    const rows = async (path, parameters, most) => (await list(path, parameters, signal, most)).data;
    const covered = await list("/protocols", {}, signal);
    const protocols = covered.data.filter((one) => one.block_number !== null && !covered.meta.not_covered.includes(one.protocol));
    const has = (kind) => protocols.filter((one) => one.deployments.some((deployment) => deployment.kind === kind)).map((one) => one.protocol);
    const each = async (names, path, parameters) => (await Promise.all(names.map((name) => rows(`/protocols/${name}/${path}`, parameters, 3000)))).flat();
    const lending = has("lending");
    const [heads, past, spread, moves, purges, corrections, latest, recursion, losses, locked, held, used, markets] = await Promise.all([
      each(lending, "leverage", { population: "borrowers" }),
      each(lending, "leverage/history", { population: "borrowers" }),
      each(lending, "leverage/distribution", { weight: "debt" }),
      rows("/velocity", { window: "1d", scope: "chain" }, 1000),
      rows("/purges", {}, 200),
      rows("/corrections", {}, 200),
      rows("/liquidations", {}, 10),
      rows("/loops/summary", {}),
      rows("/bad-debt", { scope: "chain" }),
      rows("/tvl", { scope: "chain" }),
      rows("/concentration", { scope: "chain" }),
      rows("/utilization", {}),
      perpMarkets(has("perp"), rows),
    ]);
    tell(summary, heads, moves[0], purges, recursion, losses[0], locked[0]);
    const series = grouped(past);
    drawLeverage(leverage, series, corrections);
    drawDebt(debt, series);
    drawVelocity(velocity, moves);
    drawDistribution(distribution, spread);
    replace(parts.deployments, deploymentTable(heads, spread));
    replace(parts.liquidations, liquidationTable(latest));
    replace(parts.purges, purgeTable(purges));
    replace(parts.corrections, correctionTable(corrections));
    replace(parts.concentration, concentrationTable(held));
    replace(parts.utilization, utilizationTable(used));
    perps.hidden = !markets.length;
    replace(parts.perps, perpTable(markets));
  }

  /** Perp markets with the newest row of their open interest and imbalance. */
  async function perpMarkets(venues, rows) {
    const all = (await Promise.all(venues.map((protocol) => rows("/markets", { protocol }, 60)))).flat();
    const markets = all.filter((market) => !market.accounting.endsWith("_margin")); // accounts' margin is kept as a market too
    return Promise.all(markets.map(async (market) => {
      const path = `/perps/${market.project}/${market.market_id}`;
      const [open, skew] = await Promise.all([get(`${path}/open-interest`, { limit: 1 }, signal), get(`${path}/imbalance`, { limit: 1 }, signal)]);
      return { ...market, ...open.data[0], ...skew.data[0] };
    })).then((found) => found.sort((a, b) => Number(b.oi_usd ?? 0) - Number(a.oi_usd ?? 0)));
  }
  await look();
  return { refresh: look };
}

const sum = (rows, name) => rows.reduce((total, row) => total + Number(row[name] ?? 0), 0);
const named = (row) => `${row.protocol} ${row.deployment}`;

function tell(element, rows, newest, purges, recursion, losses, locked) {
  const assets = sum(rows, "assets_usd"), debt = sum(rows, "debt_usd"), equity = assets - debt;
  const forced = purges.filter((row) => row.kind === "purge");
  const owed = sum(recursion, "debt_usd"), looped = sum(recursion, "looped_debt_usd");
  replace(element, tiles([
    ["Debt", usd(debt), `of ${count(sum(rows, "n_ok"))} borrowers`, "tile-debt"],
    ["Leverage of borrowers", equity > 0 ? times(assets / equity) : "–", `${usd(assets)} assets, ${usd(equity)} equity`, "tile-leverage"],
    ["Velocity of debt", newest ? `${usd(newest.velocity_usd)}/d` : "–", newest ? `of it ${usd(newest.organic_velocity_usd)} borrowed less repaid` : "needs a day of history", "tile-velocity"],
    ["Debt in loops", owed ? percent(looped / owed) : "–", `${usd(looped)} recursive`, "tile-loops"],
    ["Value locked", usd(locked?.tvl_usd), locked ? `${usd(locked.claims_usd)} of it claims on what is locked elsewhere` : null, "tile-tvl"],
    ["Bad debt", usd(losses?.latent_usd), losses ? `latent, of ${count(losses.n_insolvent)} insolvent; ${usd(losses.realised_usd)} realised` : null, "tile-insolvent"],
    ["Purges", count(forced.length), forced[0] ? `by force, last ${time(forced[0].start_time)}` : "none by force in the kept history", "tile-purges"],
  ]));
}

/** Rows by deployment, oldest first, deployments by name so that each has one colour in all charts. */
function grouped(rows) {
  const series = new Map();
  for (const row of [...rows].sort((a, b) => named(a).localeCompare(named(b)) || a.as_of_block - b.as_of_block)) {
    if (!series.has(named(row))) series.set(named(row), []);
    series.get(named(row)).push(row);
  }
  return series;
}

/** Stretches of time in which at least one correction was open. */
function shaded(corrections, first, last) {
  const found = [];
  for (const row of corrections.filter((one) => one.kind === "correction").sort((a, b) => a.opened_time.localeCompare(b.opened_time))) {
    const from = row.opened_time > first ? row.opened_time : first, to = row.closed_time ?? last;
    if (from >= to) continue;
    if (found.length && from <= found.at(-1)[1]) found.at(-1)[1] = to > found.at(-1)[1] ? to : found.at(-1)[1];
    else found.push([from, to]);
  }
  return found.map(([from, to]) => [{ xAxis: from }, { xAxis: to }]);
}

function drawLeverage(element, series, corrections) {
  const all = [...series.values()].flat().map((row) => row.as_of_time).sort();
  draw(element, ({ colour }) => ({
    tooltip: { valueFormatter: times },
    xAxis: { type: "time" },
    yAxis: { type: "value", scale: true, axisLabel: { formatter: (n) => `${n}×` } },
    series: [...series].map(([name, rows], n) => ({
      name, type: "line", showSymbol: rows.length < 3, lineStyle: { width: 2 }, data: rows.map((row) => [row.as_of_time, row.leverage]),
      ...(n === 0 && { markArea: { silent: true, itemStyle: { color: colour("bad"), opacity: 0.09 }, data: shaded(corrections, all[0], all.at(-1)) } }),
    })),
  }));
}

/** Deployments have snapshots at blocks of their own: at each time, the newest row of each up to then, or stacks would not fit. */
function drawDebt(element, series) {
  const all = [...new Set([...series.values()].flat().map((row) => row.as_of_time))].sort();
  const upTo = (rows) => { let at = -1; return all.map((time) => { while (at + 1 < rows.length && rows[at + 1].as_of_time <= time) at += 1; return [time, at < 0 ? 0 : Number(rows[at].debt_usd)]; }); };
  draw(element, () => ({
    tooltip: { valueFormatter: usd },
    xAxis: { type: "time" },
    yAxis: { type: "value", axisLabel: { formatter: usd } },
    series: [...series].map(([name, rows]) => ({ name, type: "line", showSymbol: all.length < 3, stack: "debt", areaStyle: { opacity: 0.25 }, data: upTo(rows) })),
  }));
}

const CAUSES = [["organic_effect_usd", "borrowed − repaid", "c1"], ["price_effect_usd", "prices", "c8"], ["interest_effect_usd", "interest", "c3"], ["forced_effect_usd", "forced", "bad"]];

function drawVelocity(element, moves) {
  const grown = moves.filter((row) => row.from_block !== null); // the first window grew from nothing and would hide the rest
  const rows = [...(grown.length ? grown : moves)].reverse();
  draw(element, ({ colour }) => ({
    tooltip: { valueFormatter: usd },
    xAxis: { type: "time" },
    yAxis: { type: "value", axisLabel: { formatter: usd } },
    series: CAUSES.map(([name, label, ink]) => ({ name: label, type: "bar", stack: "causes", barMaxWidth: 14, itemStyle: { color: colour(ink) }, data: rows.map((row) => [row.as_of_time, Number(row[name])]) })),
  }));
}

function drawDistribution(element, spread) {
  const bins = EDGES.slice(0, -1).map((low, n) => `${low}–${EDGES[n + 1]}×`);
  draw(element, () => ({
    tooltip: { valueFormatter: usd, axisPointer: { type: "shadow" } },
    xAxis: { type: "category", data: bins, axisLabel: { formatter: (name) => `${name.split("–")[0]}×`, align: "center" } },
    yAxis: { type: "value", axisLabel: { formatter: usd } },
    series: [...spread].sort((a, b) => named(a).localeCompare(named(b))).map((row) => ({ name: named(row), type: "bar", stack: "debt", barCategoryGap: "25%", data: row.bins.map(Number) })),
  }));
}

function deploymentTable(rows, spread) {
  const median = new Map(spread.map((row) => [named(row), row]));
  return table([
    { name: "Deployment", value: named },
    { name: "Borrowers", number: true, value: (row) => count(row.n_ok) },
    { name: "Debt", number: true, value: (row) => usd(row.debt_usd) },
    { name: "Leverage", number: true, title: "assets over equity of all together", value: (row) => times(row.leverage) },
    { name: "P50", number: true, title: "half of the debt is at this leverage or below", value: (row) => times(median.get(named(row))?.p50) },
    { name: "P99", number: true, title: "99 % of the debt is at this leverage or below", value: (row) => times(median.get(named(row))?.p99) },
    { name: "Unpriced", number: true, value: (row) => count(row.n_unpriced) },
  ], rows, { caption: "Deployments", empty: "No lending protocol is indexed yet." });
}

function liquidationTable(rows) {
  return table([
    { name: "When", value: (row) => time(row.block_time) },
    { name: "Borrower", value: (row) => h("a", { class: "mono", href: `#/account/${row.borrower}`, title: row.borrower }, address(row.borrower)) },
    { name: "Repaid", number: true, value: (row) => `${usd(row.debt_repaid_usd)} ${row.debt_symbol ?? ""}` },
    { name: "Taken", number: true, value: (row) => `${usd(row.collateral_seized_usd)} ${row.collateral_symbol ?? ""}` },
    { name: "Bonus", number: true, value: (row) => percent(row.bonus) },
  ], rows, { caption: "Latest liquidations", empty: "No liquidation yet." });
}

function purgeTable(rows) {
  return table([
    { name: "Market", value: (row) => h("span", { title: row.market }, `${row.symbol ?? address(row.market)} · ${row.deployment}`) },
    { name: "From", value: (row) => time(row.start_time) },
    { name: "Kind", value: (row) => tag(row.kind === "purge" ? "purge" : "voluntary", row.kind === "purge" ? "bad" : "") },
    { name: "Contraction", number: true, value: (row) => percent(row.contraction) },
    { name: "By force", number: true, title: "liquidated until the trough over the whole fall", value: (row) => percent(row.forced_share) },
    { name: "Price", number: true, title: "price at the trough over price at the start, less 1", value: (row) => percent(row.price_move) },
  ], [...rows].sort((a, b) => (b.kind === "purge") - (a.kind === "purge")).slice(0, 10), { caption: "Purges, forced first", empty: "No purge in the kept history." });
}

function correctionTable(rows) {
  return table([
    { name: "Asset", value: (row) => h("span", { title: row.asset }, row.symbol ?? address(row.asset), " ", tag(row.kind, row.kind === "depeg" ? "warn" : "")) },
    { name: "Opened", value: (row) => time(row.opened_time) },
    { name: "Closed", value: (row) => (row.closed_time ? time(row.closed_time) : tag("open", "warn")) },
    { name: "Depth", number: true, value: (row) => percent(row.depth) },
    { name: "Peak", number: true, value: (row) => price(row.peak) },
    { name: "Trough", number: true, value: (row) => price(row.trough) },
    { name: "Liquidated", number: true, title: "share of the debt at the peak", value: (row) => percent(row.liquidated_share) },
  ], rows.slice(0, 10), { caption: "Corrections, newest first", empty: "No correction in the kept history." });
}

function concentrationTable(rows) {
  const of = new Map(rows.map((row) => [row.kind, row]));
  return table([
    { name: "Of", value: (row) => row.kind.replace("_", " ") },
    { name: "Total", number: true, value: (row) => usd(row.total_usd) },
    { name: "Owners", number: true, value: (row) => count(row.n) },
    { name: "Effective", number: true, title: "1 / sum of squared shares", value: (row) => ratio(row.effective_n, 1) },
    { name: "Largest", number: true, value: (row) => percent(row.top_1_share) },
    { name: "Top 10", number: true, value: (row) => percent(row.top_10_share) },
    { name: "Gini", number: true, value: (row) => ratio(row.gini) },
  ], PARTS.filter((name) => of.has(name)).map((name) => of.get(name)), { caption: "Concentration by owner", empty: "Nobody holds anything." });
}

function utilizationTable(rows) {
  const used = rows.filter((row) => row.utilization > 0).sort((a, b) => b.utilization - a.utilization);
  return table([
    { name: "Market", value: (row) => h("span", { title: row.market_id }, `${row.symbol ?? "?"} · ${row.deployment}`) },
    { name: "Used", number: true, title: "debt over supply", value: (row) => tag(percent(row.utilization), row.utilization > 0.95 ? "bad" : row.kink_pressure > 0 ? "warn" : "") },
    { name: "Debt", number: true, value: (row) => usd(row.debt_usd) },
    { name: "Borrow", number: true, title: "yearly rate, not compounded", value: (row) => percent(row.borrow_apr, 2) },
    { name: "Supply", number: true, title: "yearly rate, not compounded", value: (row) => percent(row.supply_apr, 2) },
  ], used.slice(0, 8), { caption: "Markets by utilization", empty: "Nothing is borrowed." });
}

function perpTable(rows) {
  return table([
    { name: "Market", value: (row) => h("span", { title: row.market_id }, `${row.symbol ?? address(row.market_id)} · ${named(row)}`) },
    { name: "Open interest", number: true, value: (row) => usd(row.oi_usd) },
    { name: "Long", number: true, value: (row) => usd(row.long_oi_usd) },
    { name: "Short", number: true, value: (row) => usd(row.short_oi_usd) },
    { name: "Skew", number: true, title: "(long − short) / both; none on a matched book", value: (row) => (row.oi_skew === null || row.oi_skew === undefined ? null : skewBar(row.oi_skew)) },
    { name: "OI / margin", number: true, title: "the venue's average leverage", value: (row) => times(row.notional_to_oi) },
    { name: "Funding / year", number: true, title: "simple; + where longs pay", value: (row) => percent(row.funding_annualised) },
    { name: "Basis", number: true, title: "(mark − index) / index", value: (row) => percent(row.basis, 2) },
    { name: "Mark", number: true, value: (row) => price(row.mark) },
    { name: "Size", number: true, title: "whole base units", value: (row) => amount(row.oi_base) },
  ], rows.slice(0, 20), { caption: "Perp markets by open interest", empty: "No perp market." });
}

function skewBar(value) {
  const half = Math.min(Math.abs(value), 1) * 50;
  return h("span", { class: "skew" }, h("span", { class: "skew-bar", "aria-hidden": "true" },
    h("span", { class: value < 0 ? "short" : "long", style: `width:${half}%;${value < 0 ? `right:50%` : `left:50%`}` })), percent(value));
}
