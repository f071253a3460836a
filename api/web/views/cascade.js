// What a fall of prices would set off: asked of the server, computed there, shown for every depth of market.

import { get, getIfAny, list, post } from "../lib/api.js";
import { chart, draw } from "../lib/charts.js";
import { h, label, panel, replace, table, tag, tiles } from "../lib/dom.js";
import { address, amount, count, percent, price, ratio, usd, usdRange } from "../lib/format.js";

const POLL_MS = [150, 300, 600, 1000];
const SHOWN = 12;
const IMPACTS = { cpmm: "constant product pool", linear: "linear", exponential: "exponential" };

export async function show(root, { signal, rest: [wanted] }) {
  const assets = await holdings(signal);
  const sliders = new Map();
  const form = h("form", { id: "question" });
  const path = h("select", { id: "path" }, h("option", { value: "jump" }, "at once"), h("option", { value: "steps:5" }, "in 5 steps"), h("option", { value: "steps:10" }, "in 10 steps"), h("option", { value: "steps:25" }, "in 25 steps"));
  const impact = h("select", { id: "impact" }, Object.entries(IMPACTS).map(([value, text]) => h("option", { value }, text)));
  const pass = slider("pass", "Oracles follow the market", 0, 100, 100, (value) => `${value}%`, "share of the gap that oracles close in a round");
  const sold = slider("sold", "Seized collateral sold", 0, 100, 100, (value) => `${value}%`, "share that liquidators sell into the market");
  const correlated = h("input", { id: "correlated", type: "checkbox", checked: true });
  const run = h("button", { class: "button", id: "run" }, "Run");
  const told = h("p", { class: "note", id: "simulation-state", role: "status" });
  const outcome = h("div", { class: "grid", id: "outcome" });
  const hang = h("div");

  const one = (asset) => {
    const made = slider(`shock-${asset.asset}`, `${asset.symbol ?? address(asset.asset)} at ${price(asset.price)}`, -90, 50, 0, (value) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value)}%`);
    sliders.set(asset.asset, made.input);
    return made.element;
  };
  const preset = (text, value) => h("button", { type: "button", class: "button plain", onclick: () => {
    for (const asset of assets) set(sliders.get(asset.asset), asset.stable ? 0 : value);
  } }, text);
  const first = assets.slice(0, SHOWN), others = assets.slice(SHOWN);
  form.append(...h("div", null,
    h("div", { class: "controls", role: "group", "aria-label": "Presets" }, preset("All −10 %", -10), preset("All −30 %", -30), preset("All −50 %", -50), preset("Reset", 0)),
    h("div", { class: "sliders" }, first.map(one)),
    others.length > 0 && h("details", null, h("summary", null, `${others.length} more assets`), h("div", { class: "sliders" }, others.map(one))),
    h("div", { class: "controls" }, label("Prices fall", path), label("Selling moves prices", impact), pass.element, sold.element,
      h("label", { class: "check" }, correlated, "Correlated assets follow"), run),
    told).children);
  const nowhere = h("p", { class: "empty" }, "Nobody owes anything, so no price can set off a liquidation.");
  root.append(
    h("div", { class: "title" }, h("h1", null, "Cascade"), h("p", null, "A scenario, not a forecast: prices move as told, liquidations follow each protocol's rules, what is seized is sold")),
    panel("Shock", { note: "change of each price; markets of three depths are always run", id: "shock" }, assets.length ? form : nowhere),
    outcome,
    panel("How protocols hang together", { note: "common collateral, common owners, and what the newest simulation carried over" }, hang));

  const question = () => ({
    shocks: Object.fromEntries([...sliders].filter(([, input]) => Number(input.value)).map(([asset, input]) => [asset, Number(input.value) / 100])),
    path: path.value, impact: impact.value, pass_through: Number(pass.input.value) / 100, sold_share: Number(sold.input.value) / 100, correlated: correlated.checked,
  });

  /** Put the controls where a simulation had them. */
  function restore(asked) {
    for (const [asset, input] of sliders) set(input, Math.round((asked.shocks[asset] ?? 0) * 100));
    if (![...path.options].some((option) => option.value === asked.path)) path.append(h("option", { value: asked.path }, `in ${asked.path.split(":")[1]} steps`));
    path.value = asked.path;
    impact.value = asked.impact;
    set(pass.input, Math.round(asked.pass_through * 100));
    set(sold.input, Math.round(asked.sold_share * 100));
    correlated.checked = asked.correlated;
  }

  async function follow(simulation) {
    for (let n = 0; simulation.status !== "failed" && !simulation.rounds; n += 1) { // one that is asked for has no rounds yet
      replace(told, simulation.status === "queued" ? "Waiting for a worker…" : "Computing…");
      if (simulation.status !== "done") await pause(POLL_MS[Math.min(n, POLL_MS.length - 1)], signal);
      simulation = (await get(`/simulations/${simulation.id}`, { chain: null }, signal)).data;
    }
    if (simulation.status === "failed") throw new Error(simulation.error);
    replace(told, `Computed as of block ${count(simulation.block_number)}.`);
    answer(outcome, simulation, new Map(assets.map((asset) => [asset.asset, asset.symbol])));
    await lookAtPairs(simulation.id);
  }

  async function lookAtPairs(simulation) {
    const { data } = await list("/exposure/propagation", { simulation }, signal);
    replace(hang, pairTable(data));
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const asked = question();
    if (!Object.keys(asked.shocks).length) return replace(told, h("span", { class: "negative" }, "Move at least one slider first."));
    run.disabled = true;
    replace(told, "Asking…");
    try {
      const { data } = await post("/simulations/cascade", asked, signal);
      history.replaceState(null, "", `#/cascade/${data.id}`);
      await follow(data);
    } catch (error) {
      if (error.name !== "AbortError") replace(told, h("span", { class: "negative", role: "alert" }, error.message));
    }
    run.disabled = false;
  });

  for (const asset of assets.filter((each) => !each.stable).slice(0, 1)) set(sliders.get(asset.asset), -30);
  replace(outcome, panel("Result", {}, h("p", { class: "empty" }, "Choose a shock and run it.")));
  if (!wanted) await lookAtPairs(null);
  else {
    const found = /^[0-9a-f]{32}$/.test(wanted) ? await getIfAny(`/simulations/${wanted}`, { chain: null }, signal) : null;
    if (found) {
      restore(found.data.request);
      if (found.data.status === "failed") replace(told, h("span", { class: "negative" }, found.data.error));
      else await follow(found.data);
    } else {
      replace(told, h("span", { class: "negative" }, "That simulation is gone: a reorg replaced its block, or it never was."));
      await lookAtPairs(null);
    }
  }
  return {};
}

const pause = (ms, signal) => new Promise((resolve, reject) => {
  setTimeout(resolve, ms);
  signal.addEventListener("abort", () => reject(new DOMException("gone", "AbortError")), { once: true });
});

function set(input, value) {
  input.value = value;
  input.dispatchEvent(new Event("input"));
}

function slider(id, text, min, max, value, shown, title) {
  const output = h("output", { for: id }, shown(value));
  const input = h("input", { id, type: "range", min, max, step: 1, value });
  input.addEventListener("input", () => {
    output.textContent = shown(Number(input.value));
    input.setAttribute("aria-valuetext", output.textContent);
    output.classList.toggle("negative", Number(input.value) < 0);
  });
  return { input, element: h("div", { class: "slider", title }, h("label", { for: id }, text), output, input) };
}

/** The assets that borrowers hold or owe, the ones behind the most debt first, with symbol and price; stables last. */
async function holdings(signal) {
  const [borrowers, markets] = await Promise.all([list("/liquidation-risk/positions", {}, signal), list("/markets", {}, signal)]);
  const known = new Map();
  for (const row of markets.data) {
    known.set(row.asset, known.get(row.asset)?.price ? known.get(row.asset) : { symbol: row.symbol, price: row.price_usd });
    if (row.collateral_asset && !known.get(row.collateral_asset)?.price) known.set(row.collateral_asset, { symbol: row.collateral_symbol, price: row.collateral_price_usd });
  }
  const weight = new Map();
  for (const row of borrowers.data)
    for (const asset of new Set([...row.collateral_assets, ...row.debt_assets]))
      weight.set(asset, (weight.get(asset) ?? 0) + (row.collateral_assets.includes(asset) ? Number(row.debt_usd ?? 0) : 0));
  return [...weight].filter(([asset]) => Number(known.get(asset)?.price) > 0)
    .map(([asset, debt]) => ({ asset, debt, ...known.get(asset), stable: Math.abs(Number(known.get(asset).price) - 1) < 0.05 }))
    .sort((a, b) => a.stable - b.stable || b.debt - a.debt);
}

const depthName = (setting, result) => (result.depth === "relative" ? `depth ${percent(setting.depth_factor, 0)}` : `depth × ${setting.depth_factor}`);

/** Show an outcome. Every figure is a range over the depths: a single one would claim to know the market. */
function answer(element, simulation, symbols) {
  const { result, rounds } = simulation, { settings } = result;
  const prices = chart("Price by round"), repaid = chart("Debt repaid by round, USD");
  const moved = result.assets.filter((asset) => asset.price);
  const asked = moved.find((asset) => asset.asset in simulation.request.shocks);
  const which = h("select", { id: "price-of" }, moved.map((asset) => h("option", { value: asset.asset, selected: asset === asked }, asset.symbol ?? address(asset.asset))));
  const range = (values) => usdRange([Math.min(...values), Math.max(...values)]);
  const counts = settings.map((setting) => setting.protocols.reduce((sum, row) => sum + row.liquidations, 0));
  const lengths = settings.map((setting) => setting.rounds);
  const whole = (values) => (Math.min(...values) === Math.max(...values) ? count(values[0]) : `${count(Math.min(...values))} – ${count(Math.max(...values))}`);
  const system = result.propagation;
  const tile = tiles([
    ["Debt repaid", usdRange(result.range.repaid_usd), "over three depths of market", "tile-repaid"],
    ["Bad debt", usdRange(result.range.bad_debt_usd), "left when nothing can be seized any more", "tile-bad-debt"],
    ["Liquidations", whole(counts), `of ${count(result.borrowers)} borrowers`, "tile-liquidations"],
    ["Rounds", whole(lengths), settings.every((setting) => setting.settled) ? "all settled" : "not all settled", "tile-rounds"],
    ["Spread between protocols", ratio(system.spectral_radius, 3), system.is_stable ? "spectral radius, dies out" : "spectral radius, feeds itself", "tile-radius"],
  ]);
  replace(element, h("div", { class: "wide" }, tile),
    panel("Price by round", { note: "of the start; solid: oracle, dashed: market", size: "half" }, h("div", { class: "controls" }, label("Asset", which)), prices),
    panel("Debt repaid by round", { note: "USD at the prices of the round", size: "half" }, repaid),
    panel("By protocol", { note: "low to high over the depths; contagion: repaid more, or less (−), than if it stood alone" }, protocolTable(settings, range)),
    panel("Prices", { note: "amplification: fall at the end over the shock", size: "half" }, assetTable(moved)),
    panel("By depth of market", { note: result.depth === "relative" ? "depth: of each asset, as a share of what backs debt with it" : "", size: "half" }, depthTable(result)),
    result.markets.length > 0 && panel("Markets", { note: "at the middle depth" }, marketTable(result.markets, symbols)));
  const drawPrices = () => drawPath(prices, moved.find((asset) => asset.asset === which.value), settings, rounds, result);
  which.addEventListener("change", drawPrices);
  if (moved.length) drawPrices();
  drawRounds(repaid, settings, rounds, result);
}

const INKS = ["c5", "c1", "c2", "c4", "c3"];

function drawPath(element, asset, settings, rounds, result) {
  const longest = Math.max(...settings.map((setting) => setting.rounds));
  const of = (setting, name) => [[0, 1], ...rounds.filter((row) => row.depth_factor === setting.depth_factor).map((row) => [row.round, (row.detail[name][asset.asset] ?? NaN) / asset.price])];
  draw(element, ({ colour }) => ({
    tooltip: { valueFormatter: (value) => percent(value) },
    xAxis: { type: "value", name: "", min: 0, max: Math.max(longest, 1), minInterval: 1 },
    yAxis: { type: "value", scale: true, axisLabel: { formatter: (value) => percent(value, 0) } },
    series: settings.flatMap((setting, n) => ["oracle", "market"].map((name) => ({
      name: name === "oracle" ? depthName(setting, result) : `${depthName(setting, result)}, market`, type: "line", symbolSize: 5, data: of(setting, name),
      itemStyle: { color: colour(INKS[n]) }, lineStyle: { color: colour(INKS[n]), width: 2, type: name === "oracle" ? "solid" : "dashed", opacity: name === "oracle" ? 1 : 0.6 }, showSymbol: name === "oracle",
    }))),
    legend: { data: settings.map((setting) => depthName(setting, result)) },
  }));
}

function drawRounds(element, settings, rounds, result) {
  const longest = Math.max(1, ...settings.map((setting) => setting.rounds));
  draw(element, ({ colour }) => ({
    tooltip: { valueFormatter: usd, axisPointer: { type: "shadow" } },
    xAxis: { type: "category", data: Array.from({ length: longest }, (_, n) => `${n + 1}`) },
    yAxis: { type: "value", axisLabel: { formatter: usd } },
    series: settings.map((setting, n) => {
      const of = new Map(rounds.filter((row) => row.depth_factor === setting.depth_factor).map((row) => [row.round, Number(row.repaid_usd)]));
      return { name: depthName(setting, result), type: "bar", barMaxWidth: 22, itemStyle: { color: colour(INKS[n]) }, data: Array.from({ length: longest }, (_, at) => of.get(at + 1) ?? 0) };
    }),
  }));
}

function protocolTable(settings, range) {
  const names = settings[0]?.protocols.map((row) => row.protocol) ?? [];
  const of = (name, field) => settings.map((setting) => Number(setting.protocols.find((row) => row.protocol === name)[field]));
  return table([
    { name: "Protocol", value: (name) => name },
    { name: "Liquidations", number: true, value: (name) => { const all = of(name, "liquidations"); return Math.min(...all) === Math.max(...all) ? count(all[0]) : `${count(Math.min(...all))} – ${count(Math.max(...all))}`; } },
    { name: "Repaid", number: true, value: (name) => range(of(name, "repaid_usd")) },
    { name: "Contagion", number: true, value: (name) => range(of(name, "contagion_usd")) },
    { name: "Bad debt", number: true, value: (name) => range(of(name, "bad_debt_usd")) },
  ], names, { caption: "Result by protocol", empty: "No protocol has borrowers." });
}

function assetTable(rows) {
  const pair = (values, how) => (values === null ? "–" : how(values[0]) === how(values[1]) ? how(values[0]) : `${how(values[0])} – ${how(values[1])}`);
  return table([
    { name: "Asset", value: (row) => row.symbol ?? address(row.asset) },
    { name: "Shock", number: true, value: (row) => percent(row.shock) },
    { name: "Before", number: true, value: (row) => price(row.price) },
    { name: "Shocked", number: true, value: (row) => price(row.exogenous_price) },
    { name: "At the end", number: true, value: (row) => pair(row.final_price, price) },
    { name: "Amplified", number: true, value: (row) => pair(row.amplification, (value) => `${ratio(value)}×`) },
  ], rows, { caption: "Prices", empty: "No price moves." });
}

function depthTable(result) {
  return table([
    { name: "Depth", value: (row) => depthName(row, result) },
    { name: "Rounds", number: true, value: (row) => count(row.rounds) },
    { name: "Repaid", number: true, value: (row) => usd(row.repaid_usd) },
    { name: "Bad debt", number: true, value: (row) => usd(row.bad_debt_usd) },
    { name: "Set off by sales", number: true, title: "share of what was repaid that the shock alone would not have made liquidatable", value: (row) => percent(row.endogenous_share) },
    { name: "", value: (row) => (row.settled ? null : tag("not settled", "warn")) },
  ], result.settings, { caption: "Result by depth of market" });
}

function marketTable(rows, symbols) {
  return table([
    { name: "Market", value: (row) => h("span", { title: row.market_id }, `${symbols.get(row.asset) ?? address(row.asset)} · ${row.market_id.split(":")[0]}`) },
    { name: "Used before", number: true, value: (row) => percent(row.utilization_before) },
    { name: "Used after", number: true, value: (row) => percent(row.utilization) },
    { name: "Withdrawable after", number: true, title: "cash left in the market, whole tokens", value: (row) => `${amount(row.withdrawable)} ${symbols.get(row.asset) ?? ""}` },
  ], rows, { caption: "Markets after the cascade" });
}

function pairTable(rows) {
  return table([
    { name: "From", value: (row) => row.source },
    { name: "To", value: (row) => row.target },
    { name: "Common collateral", number: true, value: (row) => percent(row.collateral_overlap) },
    { name: "Without stables", number: true, value: (row) => percent(row.collateral_overlap_without_stables) },
    { name: "Debt of common owners", number: true, value: (row) => usd(row.shared_owner_debt_usd) },
    { name: "Carried over", number: true, title: "more debt repaid at the target because the source liquidates too, as a share of the target's debt", value: (row) => percent(row.propagation, 2) },
  ], rows, { caption: "How protocols hang together", empty: "Only one lending protocol has borrowers." });
}
