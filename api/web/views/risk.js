// Who is close to liquidation, and at which prices: the lists that bots read.

import { get, list } from "../lib/api.js";
import { chart, draw, tip } from "../lib/charts.js";
import { h, label, panel, replace, table, tag, tiles } from "../lib/dom.js";
import { address, amount, count, percent, price, ratio, times, usd, usdWhole } from "../lib/format.js";

const BUCKETS = ["[0,1)", "[1,1.05)", "[1.05,1.1)", "[1.1,1.25)", "[1.25,1.5)", "[1.5,2)", "[2,inf)"];
const INK = ["bad", "c3", "c3", "c1", "c1", "c2", "c2"];

export async function show(root, { signal, query }) {
  const summary = h("div"), rows = h("div"), levels = chart("Collateral by liquidation price"), levelsNote = h("p", { class: "note" });
  const histogram = chart("Debt by health factor"), drops = chart("Debt that becomes liquidatable when prices fall");
  const below = h("input", { id: "hf", type: "number", min: "0.1", step: "0.05", value: query.get("health_factor_lt") ?? "1.5" });
  const least = h("input", { id: "debt", type: "number", min: "0", step: "100", value: query.get("min_debt_usd") ?? "0" });
  const asset = h("select", { id: "asset" }), protocol = h("select", { id: "protocol" }), holding = h("select", { id: "holding" });
  const limits = h("div");
  root.append(
    h("div", { class: "title" }, h("h1", null, "Risk"), h("p", null, "Candidates: re-check on chain in the block you send in")),
    summary,
    h("div", { class: "grid" },
      panel("Debt by health factor", { note: "half-open intervals; below 1 the contract lets it be liquidated", size: "half" }, histogram),
      panel("What a fall makes liquidatable", { note: "all assets fall together, each position once", size: "half" }, drops),
      panel("Liquidation levels", { note: "collateral by the price at which its owners become liquidatable" },
        h("div", { class: "controls" }, label("Collateral", asset)), levels, levelsNote),
      panel("Borrowers, worst first", { note: "GET /v1/liquidation-risk/positions", id: "positions" },
        h("div", { class: "controls" }, label("Health factor below", below), label("Debt at least, USD", least), label("Protocol", protocol), label("With asset", holding)), rows),
      panel("Leverage allowed and used", { note: "by risk scope; usage above 1 is legal after prices moved" }, limits)));

  let symbols = new Map();
  const filters = () => ({ health_factor_lt: Number(below.value) > 0 ? below.value : null, min_debt_usd: Number(least.value) > 0 ? least.value : null, protocol: protocol.value, asset: holding.value });

  async function lookAtRows() {
    const found = await list("/liquidation-risk/positions", filters(), signal, 200);
    replace(rows, positions(found.data, symbols), found.more && h("p", { class: "note" }, "The first 200."));
  }

  async function lookAtLevels() {
    if (!asset.value) return replace(levelsNote, "No collateral that a price would liquidate.");
    const now = Number(asset.selectedOptions[0].dataset.price);
    const width = now / 40;
    const { data } = await get("/liquidation-levels", { asset: asset.value, bin_width: width.toPrecision(6) }, signal);
    drawLevels(levels, data, now);
    const below = data.filter((row) => Number(row.price_high) <= now);
    replace(levelsNote, below.length ? `Next level below today's ${price(now)}: ${usd(below.sort((a, b) => b.price_high - a.price_high)[0].collateral_usd)} of collateral at ${price(below[0].price_low)}.` : "");
  }

  async function look() {
    const [buckets, falls, markets, allowed] = await Promise.all([
      get("/liquidation-risk/buckets", {}, signal), get("/liquidation-risk/drops", {}, signal), list("/markets", {}, signal), get("/limits", {}, signal),
    ]);
    tell(summary, buckets.data);
    drawBuckets(histogram, buckets.data);
    drawDrops(drops, falls.data);
    replace(limits, limitTable(allowed.data));
    const priced = new Map();
    for (const row of markets.data) {
      const token = row.collateral_asset ?? row.asset, value = row.collateral_asset ? row.collateral_price_usd : row.price_usd;
      if (value && !priced.has(token)) priced.set(token, [row.collateral_asset ? row.collateral_symbol : row.symbol, value]);
    }
    const sorted = [...priced].sort(([, a], [, b]) => Number(b[1]) - Number(a[1]));
    symbols = new Map(sorted.map(([token, [symbol]]) => [token, symbol ?? address(token)]));
    options(asset, sorted.map(([token, [, value]]) => [token, `${symbols.get(token)} at ${price(value)}`, value]));
    options(holding, [["", "any"], ...[...symbols].sort((a, b) => a[1].localeCompare(b[1]))]);
    options(protocol, [["", "any"], ...[...new Set(buckets.data.map((row) => row.protocol))].sort().map((name) => [name, name])]);
    await Promise.all([lookAtRows(), lookAtLevels()]);
  }
  for (const filter of [below, least, protocol, holding]) filter.addEventListener("change", lookAtRows);
  asset.addEventListener("change", lookAtLevels);
  await look();
  return { refresh: look };
}

/** Fill a select anew and leave what is chosen as it is. */
function options(select, entries) {
  const chosen = select.value;
  select.replaceChildren(...entries.map(([value, text, worth]) => h("option", { value, dataset: worth ? { price: worth } : {}, selected: value === chosen }, text)));
}

const sum = (rows, name) => rows.reduce((total, row) => total + Number(row[name] ?? 0), 0);

function tell(element, rows) {
  const of = (names) => rows.filter((row) => names.includes(row.bucket));
  const now = of(["[0,1)"]), close = of(["[1,1.05)"]), unpriced = rows.filter((row) => row.bucket === null);
  replace(element, tiles([
    ["Liquidatable", count(sum(now, "n_accounts")), `${usd(sum(now, "debt_usd"))} of debt`, "tile-liquidatable"],
    ["Health below 1.05", count(sum(close, "n_accounts")), `${usd(sum(close, "debt_usd"))} of debt`, "tile-close"],
    ["Borrowers", count(sum(rows, "n_accounts")), `${usd(sum(rows, "debt_usd"))} of debt`, "tile-borrowers"],
    ["Unpriced", count(sum(unpriced, "n_accounts")), "no health factor for want of a price", "tile-unpriced"],
  ]));
}

function drawBuckets(element, rows) {
  const debt = BUCKETS.map((bucket) => sum(rows.filter((row) => row.bucket === bucket), "debt_usd"));
  const accounts = BUCKETS.map((bucket) => sum(rows.filter((row) => row.bucket === bucket), "n_accounts"));
  draw(element, ({ colour, soft }) => ({
    tooltip: { formatter: ([bar]) => tip(`Health ${BUCKETS[bar.dataIndex]}`, `${usdWhole(debt[bar.dataIndex])} of debt`, `${count(accounts[bar.dataIndex])} borrowers`) },
    xAxis: { type: "category", data: BUCKETS.map((bucket) => bucket.replace("inf", "∞")) },
    yAxis: { type: "value", axisLabel: { formatter: usd } },
    series: [{ type: "bar", data: debt.map((value, n) => ({ value, itemStyle: { color: colour(INK[n]) } })), label: { show: true, position: "top", color: soft, formatter: ({ dataIndex }) => count(accounts[dataIndex]) } }],
  }));
}

function drawDrops(element, rows) {
  const names = [...new Set(rows.map((row) => `${row.protocol} ${row.deployment}`))];
  const falls = [...new Set(rows.map((row) => row.drop))].sort((a, b) => a - b);
  draw(element, () => ({
    tooltip: { valueFormatter: usd },
    xAxis: { type: "category", data: falls.map((fall) => (fall ? `−${percent(fall, 0)}` : "now")), boundaryGap: false },
    yAxis: { type: "value", axisLabel: { formatter: usd } },
    series: names.map((name) => ({ name, type: "line", stack: "debt", areaStyle: { opacity: 0.3 }, data: falls.map((fall) => sum(rows.filter((row) => row.drop === fall && `${row.protocol} ${row.deployment}` === name), "debt_usd")) })),
  }));
}

function drawLevels(element, rows, now) {
  const sorted = [...rows].sort((a, b) => Number(a.price_low) - Number(b.price_low));
  draw(element, ({ colour }) => ({
    tooltip: { formatter: ([bar]) => { const row = sorted[bar.dataIndex]; return tip(`${price(row.price_low)} to ${price(row.price_high)}`, `${amount(row.collateral_amount)} ${row.symbol ?? ""} (${usd(row.collateral_usd)})`, `${usd(row.debt_usd)} of debt, ${count(row.n_positions)} positions`); } },
    xAxis: { type: "value", scale: true, max: Math.max(now * 1.03, ...sorted.map((row) => Number(row.price_high))), axisLabel: { formatter: price } },
    yAxis: { type: "value", axisLabel: { formatter: usd } },
    series: [{ type: "bar", barMaxWidth: 18, data: sorted.map((row) => [(Number(row.price_low) + Number(row.price_high)) / 2, Number(row.collateral_usd)]), itemStyle: { color: colour("c1") },
      markLine: { symbol: "none", silent: true, data: [{ xAxis: now, label: { formatter: "now", color: colour("soft") }, lineStyle: { color: colour("bad") } }] } }],
  }));
}

function positions(rows, symbols) {
  const names = (tokens) => tokens.map((token) => symbols.get(token) ?? address(token)).join(", ");
  return table([
    { name: "Account", value: (row) => h("a", { class: "mono", href: `#/account/${row.account}`, title: row.account }, address(row.account)) },
    { name: "Scope", value: (row) => h("span", { title: row.market_id ?? "" }, `${row.protocol} ${row.deployment}`) },
    { name: "Health", number: true, value: (row) => tag(ratio(row.health_factor, 4), row.is_liquidatable ? "bad" : row.health_factor < 1.1 ? "warn" : "") },
    { name: "Collateral", number: true, value: (row) => usd(row.collateral_usd) },
    { name: "of", value: (row) => names(row.collateral_assets) },
    { name: "Debt", number: true, value: (row) => usd(row.debt_usd) },
    { name: "of", value: (row) => names(row.debt_assets) },
    { name: "Falls by", number: true, title: "Uniform fall of collateral that makes it liquidatable", value: (row) => percent(row.first_eligible_drop, 2) },
    { name: "Most repaid", number: true, value: (row) => (row.max_repay_usd ? usd(row.max_repay_usd) : null) },
    { name: "Gross profit", number: true, value: (row) => (row.est_profit_usd ? usd(row.est_profit_usd) : null) },
    { name: "", value: (row) => [row.is_toxic && tag("toxic", "bad"), row.blocked_reason && tag(row.blocked_reason, "warn")].filter(Boolean) },
    { name: "As of", number: true, title: "Block at whose end the row is exact", value: (row) => count(row.as_of_block) },
  ], rows, { caption: "Borrowers by health factor, worst first", empty: "Nobody is below that." });
}

function limitTable(rows) {
  return table([
    { name: "Scope", value: (row) => h("span", { title: row.market_id ?? "" }, `${row.protocol} ${row.deployment}`, row.market_id && h("span", { class: "soft mono" }, ` ${row.market_id.split(":").at(-1).slice(0, 8)}`)) },
    { name: "Borrowers", number: true, value: (row) => count(row.n_borrowers) },
    { name: "Over limit", number: true, value: (row) => (row.n_over_limit ? tag(count(row.n_over_limit), "warn") : "0") },
    { name: "Leverage", number: true, title: "collateral over collateral less debt", value: (row) => times(row.assets_to_equity) },
    { name: "Allowed", number: true, title: "1 / (1 − LTV)", value: (row) => times(row.max_leverage) },
    { name: "Liquidated at", number: true, title: "1 / (1 − liquidation threshold)", value: (row) => times(row.liquidation_leverage) },
    { name: "Usage", number: true, title: "leverage over its limit of each borrower, weighted by debt", value: (row) => percent(row.limit_usage, 0) },
    { name: "Debt", number: true, value: (row) => usd(row.debt_usd) },
    { name: "Could still borrow", number: true, title: "the lesser of what collateral, liquidity and caps leave", value: (row) => usd(row.borrow_headroom_usd) },
  ], rows.slice(0, 40), { caption: "Leverage allowed and used", empty: "Nobody owes anything." });
}
