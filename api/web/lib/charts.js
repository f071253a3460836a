// Charts by ECharts, in the colours of the page. Each is labelled for screen readers and follows its box and the theme.

const charts = new Map();

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
export const palette = () => ["c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8"].map(colour);

const sizes = new ResizeObserver((entries) => {
  for (const entry of entries) charts.get(entry.target)?.chart.resize();
});

function base() {
  const soft = colour("soft"), line = colour("line"), text = colour("text");
  const axis = { axisLine: { lineStyle: { color: line } }, axisLabel: { color: soft, hideOverlap: true }, splitLine: { lineStyle: { color: line } }, nameTextStyle: { color: soft } };
  return {
    color: palette(),
    animationDuration: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 250,
    textStyle: { fontFamily: "system-ui, sans-serif", color: text },
    grid: { left: 8, right: 16, top: 36, bottom: 8, containLabel: true },
    legend: { top: 0, left: 0, type: "scroll", textStyle: { color: soft }, pageTextStyle: { color: soft }, itemWidth: 14, itemHeight: 9, icon: "roundRect" },
    tooltip: { trigger: "axis", confine: true, backgroundColor: colour("panel"), borderColor: line, textStyle: { color: text, fontSize: 12 } },
    aria: { enabled: true },
    axis,
  };
}

const merged = (under, over) => {
  if (Array.isArray(over) || typeof over !== "object" || over === null || typeof under !== "object" || under === null) return over ?? under;
  const result = { ...under };
  for (const [name, value] of Object.entries(over)) result[name] = merged(under[name], value);
  return result;
};

/** Draw into `element`: `options(base)` returns ECharts options; x and y axes get the page's look. */
export function draw(element, options) {
  let kept = charts.get(element);
  if (!kept) {
    kept = { chart: window.echarts.init(element, null, { renderer: "canvas" }) };
    charts.set(element, kept);
    sizes.observe(element);
  }
  kept.options = options;
  const { axis, ...look } = base();
  const wanted = options({ soft: colour("soft"), line: colour("line"), text: colour("text"), colour });
  for (const name of ["xAxis", "yAxis"])
    if (wanted[name]) wanted[name] = [wanted[name]].flat().map((one) => merged(axis, one));
  kept.chart.setOption(merged(look, wanted), true);
  return kept.chart;
}

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

export const chart = (label, size = "") => {
  const element = document.createElement("div");
  element.className = `chart ${size}`;
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", label);
  return element;
};
