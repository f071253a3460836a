// Debt that comes back as collateral: within a protocol, and through several.

import { get, list } from "../lib/api.js";
import { chart, draw, tip } from "../lib/charts.js";
import { h, label, panel, replace, table, tag, tiles } from "../lib/dom.js";
import { address, count, node, percent, ratio, times, usd } from "../lib/format.js";

export async function show(root, { signal }) {
  const summary = h("div"), cycles = h("div"), loops = h("div"), shares = h("div"), financed = h("div");
  const graph = chart("Exposure between protocols", "tall", "No exposure between two protocols.");
  const method = h("select", { id: "method" }, h("option", { value: "events" }, "money followed (events)"), h("option", { value: "state" }, "balances (state)"));
  const form = h("select", { id: "form" }, h("option", { value: "loop" }, "loops"), h("option", { value: "chain" }, "chains"), h("option", { value: "" }, "both"));
  const age = h("select", { id: "age" }, h("option", { value: 0 }, "one transaction"), h("option", { value: 86400, selected: true }, "one day"), h("option", { value: "" }, "any age"));
  root.append(
    h("div", { class: "title" }, h("h1", null, "Loops"), h("p", null, "Recursive leverage, and exposure that runs between protocols")),
    summary,
    h("div", { class: "grid" },
      panel("Exposure graph", { note: "an arrow: value from where it was borrowed or issued to where it is posted", size: "two-thirds" },
        h("div", { class: "controls" }, label("Debt edges by", method)), graph),
      panel("Cycles and chains", { note: "of each owner, every dollar once; then by path", size: "third" }, cycles),
      panel("Top loops", { note: "multiplier = assets over equity; bound = 1 / (1 − LTV)" }, h("div", { class: "controls" }, label("Shape", form)), loops),
      panel("Recursive borrowing", { note: "what part of borrows came back as collateral", size: "half" }, h("div", { class: "controls" }, label("Within", age)), shares),
      panel("Debt-financed collateral", { note: "low, mid, high: three rules of which money was spent first", size: "half" }, financed)));

  async function lookAtGraph() {
    const chosen = { method: method.value };
    const [edges, found, rest, total] = await Promise.all([
      list("/exposure/graph", chosen, signal), list("/exposure/cycles", chosen, signal), list("/exposure/cycles", { ...chosen, form: "chain" }, signal), get("/exposure/summary", chosen, signal)]);
    drawGraph(graph, edges.data, total.data);
    replace(cycles, pathTable([...paths(found.data), ...paths(rest.data)]));
    return total.data;
  }
  async function lookAtLoops() {
    const found = await list("/loops", { is_open: "true", shape: form.value }, signal, 50); // largest debt first
    replace(loops, loopTable(found.data), found.more && h("p", { class: "note" }, "The 50 with the most debt."));
  }
  async function lookAtShares() {
    replace(shares, shareTable((await list("/loops/summary", { window_s: age.value }, signal)).data));
  }
  async function look() {
    const [total, , recursive, tagged, , all] = await Promise.all([
      lookAtGraph(), lookAtLoops(), list("/loops/summary", {}, signal), list("/dfc", {}, signal), lookAtShares(),
      list("/loops", { is_open: "true", shape: "loop", method: "event" }, signal)]);
    const debt = recursive.data.reduce((sum, row) => sum + Number(row.debt_usd), 0);
    const looped = recursive.data.reduce((sum, row) => sum + Number(row.looped_debt_usd), 0);
    replace(summary, tiles([
      ["Open loops", `${count(all.data.length)}${all.more ? "+" : ""}`, `of ${count(new Set(all.data.map((row) => row.owner)).size)} owners, by the money followed`, "tile-loops"],
      ["Debt in loops", debt ? percent(looped / debt) : "–", usd(looped), "tile-looped-debt"],
      ["Between protocols", usd(total.loop_exposure_usd), `in ${count(total.n_cycles)} cycles`, "tile-exposure"],
      ["Deepest chain", count(total.chain_depth), "protocols a dollar is pledged through", "tile-chain"],
    ]));
    replace(financed, financedTable(tagged.data));
  }
  method.addEventListener("change", lookAtGraph);
  form.addEventListener("change", lookAtLoops);
  age.addEventListener("change", lookAtShares);
  await look();
  return { refresh: look };
}

const KIND = { debt: ["c5", "borrowed there, posted here"], claim: ["c1", "receipt issued there, posted here"], vault: ["c4", "share of a vault there, posted here"], bridge: ["c8", "bridged"] };

function drawGraph(element, edges, total) {
  const exposure = new Map(total.exposure_by_protocol.map((row) => [row.protocol, Number(row.exposure_usd)]));
  const names = [...new Set(edges.flatMap((edge) => [edge.src, edge.dst]))];
  const through = (name) => edges.filter((edge) => edge.src === name || edge.dst === name).reduce((sum, edge) => sum + Number(edge.value_usd), 0);
  const most = Math.max(1, ...edges.map((edge) => Number(edge.value_usd)));
  const widest = Math.max(1, ...names.map(through));
  const kinds = Object.keys(KIND).filter((kind) => edges.some((edge) => edge.edge_kind === kind));
  // edges between the same two nodes side by side, the ones that go back on the other side
  const bend = (edge, n) => 0.1 + 0.17 * edges.slice(0, n).filter((one) => one.src === edge.src && one.dst === edge.dst).length;
  // on an ellipse as wide as the box, the first node on the left
  const [width, height] = [element.clientWidth || 600, element.clientHeight || 400];
  const place = (n) => { const turn = Math.PI + (2 * Math.PI * n) / names.length; return { x: width * (0.5 + 0.34 * Math.cos(turn)), y: height * (0.52 + 0.3 * Math.sin(turn)) }; };
  draw(element, ({ colour, text, soft }) => ({
    tooltip: { trigger: "item", formatter: ({ data, dataType }) => (dataType === "edge"
      ? tip(`${node(data.source)} → ${node(data.target)}`, KIND[data.kind][1], `${usd(data.amount)}, ${count(data.owners)} owners`)
      : tip(node(data.name), exposure.has(data.name) && `${usd(exposure.get(data.name))} in cycles`, data.name.startsWith("issuer:") && "not indexed itself")) },
    legend: { data: kinds, selectedMode: false },
    series: [{
      type: "graph", layout: "none", roam: false, top: 80, bottom: 60, left: width < 500 ? "24%" : "16%", right: width < 500 ? "24%" : "16%",
      edgeSymbol: ["none", "arrow"], edgeSymbolSize: 9, emphasis: { focus: "adjacency", lineStyle: { opacity: 1 } }, 
      label: { show: true, color: text, position: "bottom", fontSize: 12, formatter: ({ name }) => node(name) },
      categories: kinds.map((name) => ({ name, symbol: "roundRect", itemStyle: { color: colour(KIND[name][0]) } })),
      data: names.map((name, n) => ({ name, ...place(n), symbolSize: 20 + 32 * Math.sqrt(through(name) / widest), itemStyle: { color: colour(name.startsWith("issuer:") ? "c8" : "c2") } })),
      links: edges.map((edge, n) => ({ source: edge.src, target: edge.dst, kind: edge.edge_kind, amount: edge.value_usd, owners: edge.n_owners,
        lineStyle: { width: 1.2 + 6 * Math.sqrt(Number(edge.value_usd) / most), color: colour(KIND[edge.edge_kind][0]), opacity: 0.8, curveness: bend(edge, n) } })),
      edgeLabel: { show: edges.length <= 14, color: soft, fontSize: 11, formatter: ({ data }) => usd(data.amount) },
    }],
  }));
}

/** Cycles and chains are of owners; here those along one path together. */
function paths(rows) {
  const by = new Map();
  for (const row of rows) {
    const path = (row.form === "cycle" ? [...row.nodes, row.nodes[0]] : row.nodes).map(node).join(" → ");
    const kept = by.get(path) ?? { path, form: row.form, size: 0, owners: new Set() };
    kept.size += Number(row.size_usd);
    kept.owners.add(row.owner_id);
    by.set(path, kept);
  }
  return [...by.values()].sort((a, b) => b.size - a.size);
}

function pathTable(rows) {
  return table([
    { name: "Path", value: (row) => h("span", { class: "wrap" }, tag(row.form, row.form === "cycle" ? "bad" : ""), " ", row.path) },
    { name: "Owners", number: true, value: (row) => count(row.owners.size) },
    { name: "Size", number: true, value: (row) => usd(row.size) },
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
