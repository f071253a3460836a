// Charts by ECharts, in the colours of the page. Each is labelled for screen readers and follows its box and the theme.

import { h } from "./dom.js";

const charts = new Map();

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const palette = () => ["c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8"].map(colour);

const sizes = new ResizeObserver((entries) => {
  for (const entry of entries) charts.get(entry.target)?.chart.resize();
});

function base(label) {
  const soft = colour("soft"), line = colour("line"), text = colour("text");
  const axis = { axisLine: { lineStyle: { color: line } }, axisTick: { show: false }, axisLabel: { color: soft, hideOverlap: true }, splitLine: { lineStyle: { color: line } }, nameTextStyle: { color: soft } };
  return {
    color: palette(),
    animationDuration: 250,
    animation: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    textStyle: { fontFamily: "system-ui, sans-serif", color: text },
    grid: { left: 4, right: 14, top: 34, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    legend: { top: 0, left: 0, type: "scroll", textStyle: { color: soft }, pageTextStyle: { color: soft }, pageIconColor: soft, pageIconInactiveColor: line, itemWidth: 14, itemHeight: 9, icon: "roundRect" },
    tooltip: { trigger: "axis", confine: true, backgroundColor: colour("panel"), borderColor: line, textStyle: { color: text, fontSize: 12 } },
    aria: { enabled: true, label: { general: { withoutTitle: `${label}. ` } } }, // it then reads the figures out
    axis,
  };
}

const merged = (under, over) => {
  if (Array.isArray(over) || typeof over !== "object" || over === null || typeof under !== "object" || under === null) return over ?? under;
  const result = { ...under };
  for (const [name, value] of Object.entries(over)) result[name] = merged(under[name], value);
  return result;
};

/** Draw into `element`: `options({colour, text, soft, line})` returns ECharts options; axes get the page's look. */
export function draw(element, options) {
  let kept = charts.get(element);
  if (!kept) {
    kept = { chart: window.echarts.init(element, null, { renderer: "canvas" }) };
    charts.set(element, kept);
    sizes.observe(element);
  }
  kept.options = options;
  const { axis, ...look } = base(element.dataset.label);
  const wanted = options({ soft: colour("soft"), line: colour("line"), text: colour("text"), colour });
  for (const name of ["xAxis", "yAxis"])
    if (wanted[name]) wanted[name] = [wanted[name]].flat().map((one) => merged({ ...axis, ...(name === "xAxis" && { splitLine: { show: false } }) }, one));
  if (!wanted.series.some((one) => one.data?.length)) wanted.graphic = nothing(element);
  // another merge would leave series behind that are gone
  kept.chart.setOption(merged(look, wanted), { notMerge: true });
  return kept.chart;
}

const nothing = (element) => [{ type: "text", left: "center", top: "middle", style: { text: element.dataset.empty ?? "Nothing to draw yet.", fill: colour("soft"), fontSize: 13 } }];

/** What a tooltip shows. Elements, so that a name from the chain cannot be markup. */
export const tip = (title, ...lines) => h("div", { class: "tip" }, h("strong", null, title), lines.filter(Boolean).map((line) => h("div", null, line)));

/** Forget charts whose element has left the page. */
export function sweep() {
  for (const [element, { chart }] of charts)
    if (!element.isConnected) {
      sizes.unobserve(element);
      chart.dispose();
      charts.delete(element);
    }
}

export function repaint() {
  for (const [element, { options }] of charts) draw(element, options);
}

/** An element for a chart; `empty` is said where there is nothing to draw. */
export const chart = (label, size = "", empty) => h("div", { class: `chart ${size}`, role: "img", "aria-label": label, dataset: { label, ...(empty && { empty }) } });
