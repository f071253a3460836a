// Debt that comes back as collateral: within a protocol, and through several.

import { get, list, listOrEmpty } from "../lib/api.js";
import { chart, draw } from "../lib/charts.js";
import { h, panel, replace, table, tag, tiles } from "../lib/dom.js";
import { address, count, percent, ratio, times, usd } from "../lib/format.js";

export async function show(root, { signal }) {
  const summary = h("div"), cycles = h("div"), loops = h("div"), shares = h("div"), financed = h("div");
  const graph = chart("Exposure between protocols", "tall");
  const note = h("p", { class: "note" });
  const method = h("select", { id: "method" }, h("option", { value: "events" }, "events: open loop links"), h("option", { value: "state" }, "state: balances only"));
  const form = h("select", { id: "form" }, h("option", { value: "loop" }, "loops"), h("option", { value: "chain" }, "chains"), h("option", { value: "" }, "both"));
  root.append(
    h("div", { class: "title" }, h("h1", null, "Loops"), h("p", null, "Recursive leverage, and exposure that runs between protocols")),
    summary,
    h("div", { class: "grid" },
      panel("Exposure graph", { note: "an arrow: value from where it was borrowed or issued to where it is posted", size: "two-thirds" },
        h("div", { class: "controls" }, h("label", null, "Debt edges by", method)), graph, note),
      panel("Cycles and chains", { note: "largest first, every dollar once", size: "third" }, cycles),
      panel("Top loops", { note: "multiplier = assets over equity; bound = 1 / (1 − LTV)" }, h("div", { class: "controls" }, h("label", null, "Shape", form)), loops),
      panel("Recursive borrowing", { note: "what part of borrows came back as collateral within a day", size: "half" }, shares),
      panel("Debt-financed collateral", { note: "low, mid, high: three rules of which money was spent first", size: "half" }, financed)));

  async function lookAtGraph() {
    const chosen = { method: method.value };
    const [edges, found, total] = await Promise.all([
      list("/exposure/graph", chosen, signal), list("/exposure/cycles", { ...chosen, scope: "system" }, signal, 50), get("/exposure/summary", chosen, signal)]);
    drawGraph(graph, edges.data, total.data);
    replace(note, edges.data.length ? "" : "No exposure between two protocols.");
    replace(cycles, cycleTable(found.data));
    return total.data;
  }
  async function lookAtLoops() {
    const found = await list("/loops", { is_open: "true", shape: form.value }, signal, 300);
    found.data.sort((a, b) => Number(b.debt_usd ?? 0) - Number(a.debt_usd ?? 0));
    replace(loops, loopTable(found.data.slice(0, 60)));
    return found.data;
  }
  async function look() {
    const [total, rows, recursive, tagged] = await Promise.all([
      lookAtGraph(), lookAtLoops(), listOrEmpty("/loops/summary", { window_s: 86400 }, signal), listOrEmpty("/dfc", {}, signal)]);
    const debt = recursive.data.reduce((sum, row) => sum + Number(row.debt_usd), 0);
    const looped = recursive.data.reduce((sum, row) => sum + Number(row.looped_debt_usd), 0);
    replace(summary, tiles([
      ["Open loops", count(rows.length), `${new Set(rows.map((row) => row.owner)).size} owners, two methods beside each other`, "tile-loops"],
      ["Debt in loops", debt ? percent(looped / debt) : "–", usd(looped), "tile-looped-debt"],
      ["Between protocols", usd(total.loop_exposure_usd), `in ${count(total.n_cycles)} cycles`, "tile-exposure"],
      ["Deepest chain", count(total.chain_depth), "protocols a dollar is pledged through", "tile-chain"],
    ]));
    replace(shares, shareTable(recursive.data));
    replace(financed, financedTable(tagged.data));
  }
  method.addEventListener("change", lookAtGraph);
  form.addEventListener("change", lookAtLoops);
  await look();
  return { refresh: look };
}

const KIND = { debt: ["bad", "debt borrowed there"], claim: ["c1", "claim issued there"], vault: ["c4", "vault whose assets are there"], bridge: ["c8", "bridge"] };

function drawGraph(element, edges, total) {
  const exposure = new Map(total.exposure_by_protocol.map((row) => [row.protocol, Number(row.exposure_usd)]));
  const names = [...new Set(edges.flatMap((edge) => [edge.src, edge.dst]))];
  const through = (name) => edges.filter((edge) => edge.src === name || edge.dst === name).reduce((sum, edge) => sum + Number(edge.value_usd), 0);
  const most = Math.max(1, ...edges.map((edge) => Number(edge.value_usd)));
  const widest = Math.max(1, ...names.map(through));
  draw(element, ({ colour, text, soft }) => ({
    tooltip: { trigger: "item", formatter: ({ data, dataType }) => (dataType === "edge" ? `${data.source} → ${data.target}<br>${KIND[data.kind][1]}: ${usd(data.amount)}, ${count(data.owners)} owners` : `${data.name}<br>${usd(exposure.get(data.name) ?? 0)} in cycles`) },
    legend: { data: Object.keys(KIND).filter((kind) => edges.some((edge) => edge.edge_kind === kind)) },
    series: [{
      type: "graph", layout: "circular", roam: false, top: 60, bottom: 40, left: 90, right: 90,
      edgeSymbol: ["none", "arrow"], edgeSymbolSize: 10, label: { show: true, color: text, position: "right", fontSize: 13 },
      emphasis: { focus: "adjacency" }, circular: { rotateLabel: false },
      categories: Object.entries(KIND).map(([name, [ink]]) => ({ name, itemStyle: { color: colour(ink) } })),
      data: names.map((name) => ({ name, symbolSize: 18 + 34 * Math.sqrt(through(name) / widest), itemStyle: { color: colour(exposure.get(name) ? "c3" : "c2") } })),
      links: edges.map((edge) => ({ source: edge.src, target: edge.dst, kind: edge.edge_kind, amount: edge.value_usd, owners: edge.n_owners,
        lineStyle: { width: 1.2 + 7 * Math.sqrt(Number(edge.value_usd) / most), color: colour(KIND[edge.edge_kind]?.[0] ?? "c8"), opacity: 0.75, curveness: edge.edge_kind === "debt" ? 0.22 : edge.edge_kind === "claim" ? 0.34 : 0.12 } })),
      edgeLabel: { show: edges.length <= 12, color: soft, fontSize: 11, formatter: ({ data }) => usd(data.amount) },
    }],
  }));
}

function cycleTable(rows) {
  return table([
    { name: "Path", value: (row) => (row.form === "cycle" ? [...row.nodes, row.nodes[0]] : row.nodes).join(" → ") },
    { name: "", value: (row) => tag(row.form, row.form === "cycle" ? "bad" : "") },
    { name: "Size", number: true, value: (row) => usd(row.size_usd) },
  ], rows, { caption: "Cycles and chains", empty: "No cycle and no chain." });
}

function loopTable(rows) {
  return table([
    { name: "Owner", value: (row) => h("a", { class: "mono", href: `#/account/${row.owner}`, title: row.owner }, address(row.owner)) },
    { name: "Through", value: (row) => (row.projects ?? []).join(", ") },
    { name: "Found by", value: (row) => tag(row.method) },
    { name: "Kind", value: (row) => [tag(row.kind), row.shape === "chain" && tag("chain"), row.is_flash && tag("flash", "warn")].filter(Boolean) },
    { name: "Turns", number: true, value: (row) => row.turns },
    { name: "Depth", number: true, value: (row) => row.depth },
    { name: "Debt", number: true, value: (row) => usd(row.debt_usd) },
    { name: "Multiplier", number: true, value: (row) => times(row.multiplier) },
    { name: "Bound", number: true, value: (row) => times(row.bound) },
    { name: "Used", number: true, title: "multiplier × (1 − LTV); above 100 % after a price fall", value: (row) => (row.bound_utilisation === null ? null : tag(percent(row.bound_utilisation, 0), row.is_above_bound ? "bad" : row.bound_utilisation > 0.9 ? "warn" : "")) },
    { name: "Equivalent depth", number: true, value: (row) => ratio(row.equivalent_depth) },
  ], rows, { caption: "Open loops, most debt first", empty: "No open loop." });
}

function shareTable(rows) {
  return table([
    { name: "Deployment", value: (row) => `${row.project} ${row.deployment}` },
    { name: "Of volume", number: true, value: (row) => percent(row.recursive_borrow_share_volume) },
    { name: "Of borrows", number: true, value: (row) => percent(row.recursive_borrow_share_count) },
    { name: "Borrowed", number: true, value: (row) => usd(row.borrow_usd) },
    { name: "Debt in loops", number: true, value: (row) => percent(row.looped_debt_share) },
  ], rows, { caption: "Recursive borrowing by deployment" });
}

function financedTable(rows) {
  const by = new Map();
  for (const row of rows) {
    const name = `${row.project} ${row.deployment}`;
    by.set(name, { ...(by.get(name) ?? { name, collateral: row.collateral_usd }), [row.rule]: row.share });
  }
  return table([
    { name: "Deployment", value: (row) => row.name },
    { name: "Low", number: true, title: "free money is spent first", value: (row) => percent(row.free_first) },
    { name: "Mid", number: true, title: "pro rata", value: (row) => percent(row.pro_rata) },
    { name: "High", number: true, title: "borrowed money is spent first", value: (row) => percent(row.debt_first) },
    { name: "Collateral", number: true, value: (row) => usd(row.collateral) },
  ], [...by.values()], { caption: "Debt-financed share of collateral" });
}
