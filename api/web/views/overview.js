// How much leverage there is, where, and how it moves.

import { get, list, listOrEmpty } from "../lib/api.js";
import { chart, draw } from "../lib/charts.js";
import { h, panel, replace, table, tag, tiles } from "../lib/dom.js";
import { address, count, day, percent, ratio, time, times, usd } from "../lib/format.js";

export async function show(root, { signal }) {
  const summary = h("div");
  const leverage = chart("Leverage of borrowers by deployment over time");
  const debt = chart("Debt by deployment over time, USD");
  const velocity = chart("Debt velocity by cause, USD a day");
  const deployments = h("div"), purges = h("div"), liquidations = h("div");
  root.append(
    h("div", { class: "title" }, h("h1", null, "Overview"), h("p", null, "Debt-financed positions, by protocol")),
    summary,
    h("div", { class: "grid" },
      panel("Leverage of borrowers", { note: "assets over equity, ratio of sums", size: "half" }, leverage),
      panel("Debt", { note: "USD at the protocols' own oracles", size: "half" }, debt),
      panel("Velocity of debt", { note: "what changed the debt, USD a day, 1-day window", size: "half" }, velocity),
      panel("Purges", { note: "debt that left by force within hours", size: "half" }, purges),
      panel("Deployments", { note: "at the head", size: "half" }, deployments),
      panel("Latest liquidations", { size: "half" }, liquidations)));

  async function look() {
    const protocols = (await list("/protocols", {}, signal)).data;
    const lending = protocols.filter((one) => one.deployments.some((deployment) => deployment.kind === "lending")).map((one) => one.protocol);
    const [heads, past, moves, forced, latest, loops] = await Promise.all([
      Promise.all(lending.map((name) => listOrEmpty(`/protocols/${name}/leverage`, {}, signal).then((answer) => answer.data))).then((all) => all.flat()),
      Promise.all(lending.map((name) => listOrEmpty(`/protocols/${name}/leverage/history`, { population: "borrowers" }, signal).then((answer) => answer.data))).then((all) => all.flat()),
      listOrEmpty("/velocity", { window: "1d" }, signal).then((answer) => answer.data),
      listOrEmpty("/purges", {}, signal, 50).then((answer) => answer.data),
      list("/liquidations", {}, signal, 12).then((answer) => answer.data),
      get("/loops/summary", {}, signal).catch(() => null),
    ]);
    const borrowers = heads.filter((row) => row.population === "borrowers");
    tell(summary, borrowers, moves, forced, loops);
    const series = grouped(past);
    lines(leverage, series, (row) => row.leverage, (value) => times(value));
    areas(debt, series);
    bars(velocity, moves);
    replace(purges, purgeTable(forced));
    replace(deployments, deploymentTable(borrowers));
    replace(liquidations, liquidationTable(latest));
  }
  await look();
  return { refresh: look, mounted: () => {} };
}

const sum = (rows, name) => rows.reduce((total, row) => total + Number(row[name] ?? 0), 0);

function tell(element, rows, moves, forced, loops) {
  const assets = sum(rows, "assets_usd"), debt = sum(rows, "debt_usd"), equity = assets - debt;
  const newest = moves.filter((row) => row.scope === "chain").at(0);
  const looped = loops?.data?.looped_debt_share;
  replace(element, tiles([
    ["Debt", usd(debt), `of ${count(sum(rows, "n_ok"))} borrowers`, "tile-debt"],
    ["Leverage of borrowers", equity > 0 ? times(assets / equity) : "–", `${usd(assets)} assets, ${usd(equity)} equity`, "tile-leverage"],
    ["Organic velocity", newest ? `${usd(newest.organic_velocity_usd_day ?? newest.organic_effect)}/d` : "–", newest ? `total ${usd(newest.velocity_usd_day)} a day` : "needs a day of history", "tile-velocity"],
    ["Debt in loops", looped === undefined || looped === null ? "–" : percent(looped), "of all debt", "tile-loops"],
    ["Purges", count(forced.length), forced[0] ? `last ${time(forced[0].start_time)}` : "none in the kept history", "tile-purges"],
    ["Insolvent", count(sum(rows, "n_insolvent")), `${usd(sum(rows, "latent_bad_debt_usd"))} latent bad debt`, "tile-insolvent"],
  ]));
}

function grouped(rows) {
  const series = new Map();
  for (const row of [...rows].reverse()) {
    const name = `${row.protocol} ${row.deployment}`;
    if (!series.has(name)) series.set(name, []);
    series.get(name).push(row);
  }
  return series;
}

function lines(element, series, value, shown) {
  draw(element, () => ({
    tooltip: { valueFormatter: shown },
    xAxis: { type: "time" },
    yAxis: { type: "value", scale: true, axisLabel: { formatter: (n) => `${n}×` } },
    series: [...series].map(([name, rows]) => ({ name, type: "line", showSymbol: rows.length < 3, smooth: 0.15, data: rows.map((row) => [row.as_of_time, value(row)]) })),
  }));
}

function areas(element, series) {
  draw(element, () => ({
    tooltip: { valueFormatter: usd },
    xAxis: { type: "time" },
    yAxis: { type: "value", axisLabel: { formatter: usd } },
    series: [...series].map(([name, rows]) => ({ name, type: "line", showSymbol: rows.length < 3, stack: "debt", areaStyle: { opacity: 0.25 }, smooth: 0.15, data: rows.map((row) => [row.as_of_time, Number(row.debt_usd)]) })),
  }));
}

const CAUSES = [["organic_effect", "borrowed − repaid", "c1"], ["price_effect", "price", "c8"], ["interest_effect", "interest", "c3"], ["forced_effect", "forced", "bad"]];

function bars(element, moves) {
  const rows = moves.filter((row) => row.scope === "chain").reverse();
  draw(element, ({ colour }) => ({
    tooltip: { valueFormatter: usd },
    xAxis: { type: "time" },
    yAxis: { type: "value", axisLabel: { formatter: usd } },
    series: CAUSES.map(([name, label, ink]) => ({ name: label, type: "bar", stack: "causes", itemStyle: { color: colour(ink) }, data: rows.map((row) => [row.as_of_time ?? row.ts, Number(row[name])]) })),
  }));
}

function purgeTable(rows) {
  return table([
    { name: "Scope", value: (row) => row.market ?? row.scope ?? row.deployment },
    { name: "From", value: (row) => time(row.start_time) },
    { name: "Kind", value: (row) => tag(row.kind ?? "purge", row.kind === "voluntary_deleveraging" ? "" : "bad") },
    { name: "Contraction", number: true, value: (row) => percent(row.contraction) },
    { name: "Forced share", number: true, value: (row) => percent(row.forced_share) },
  ], rows.slice(0, 8), { caption: "Purges", empty: "No purge in the kept history." });
}

function deploymentTable(rows) {
  return table([
    { name: "Deployment", value: (row) => `${row.protocol} ${row.deployment}` },
    { name: "Borrowers", number: true, value: (row) => count(row.n_ok) },
    { name: "Assets", number: true, value: (row) => usd(row.assets_usd) },
    { name: "Debt", number: true, value: (row) => usd(row.debt_usd) },
    { name: "Leverage", number: true, value: (row) => times(row.leverage) },
    { name: "Unpriced", number: true, value: (row) => count(row.n_unpriced) },
  ], rows, { caption: "Deployments", empty: "No lending protocol is indexed yet." });
}

function liquidationTable(rows) {
  return table([
    { name: "When", value: (row) => time(row.block_time) },
    { name: "Borrower", value: (row) => h("a", { class: "mono", href: `#/account/${row.borrower}` }, address(row.borrower)) },
    { name: "Repaid", number: true, value: (row) => `${usd(row.debt_repaid_usd)} ${row.debt_symbol ?? ""}` },
    { name: "Seized", number: true, value: (row) => `${usd(row.collateral_seized_usd)} ${row.collateral_symbol ?? ""}` },
    { name: "Bonus", number: true, value: (row) => percent(row.bonus) },
  ], rows, { caption: "Latest liquidations", empty: "No liquidation yet." });
}
