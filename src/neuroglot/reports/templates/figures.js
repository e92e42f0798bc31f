// Figures are drawn by plotly, where they are near what the reader sees, and again where theme, width or filters change.
const chosen = {}; // section key -> which of its plots is shown
let version = 0;

function themedTrace(trace, narrow) {
  const result = merged(trace, narrow || {});
  const tone = trace.meta && color(trace.meta.role);
  if (!tone) return result;
  return merged(result, {
    marker: { color: tone, line: { color: tone } },
    line: { color: tone },
    ...(trace.error_x ? { error_x: { color: tone, thickness: 2 } } : {}),
    ...(trace.error_y ? { error_y: { color: tone, thickness: 2 } } : {}),
  });
}

// Cells of a heat map on a narrow page are too small for their values.
const isTight = (trace, width) => (width - 60) / Math.max(1, trace.x.length) < 36;

// Values in cells, with the minus sign that all other numbers have.
function withValues(trace) {
  const decimals = trace.type === "heatmap" && /\.(\d)f/.exec(trace.texttemplate)?.[1];
  if (!decimals) return trace;
  const text = trace.z.map((row) => row.map((value) => (value === null ? "" : value.toFixed(decimals).replace("-", "−"))));
  return { ...trace, text, texttemplate: "%{text}" };
}

// Fewer rows and panels need less height; what stands between panels one below the other stays as wide as it was.
function shrunk(layout, plot) {
  if (plot.share === undefined) return layout;
  const { t, b } = layout.margin, body = layout.height - t - b;
  const used = [...new Set(plot.data.map((trace) => (trace.yaxis ?? "y").replace("y", "yaxis")))];
  const domainOf = (name) => layout[name]?.domain ?? [0, 1];
  const distinct = new Map(used.map((name) => [domainOf(name)[1], domainOf(name)]));
  const rows = [...distinct.values()].sort((one, other) => other[1] - one[1]);
  const placed = new Map();
  let at = 0, above = rows[0][1];
  for (const [low, high] of rows) {
    at += (above - high) * body;
    const tall = Math.max((high - low) * body * plot.share, plot.least);
    placed.set(high, [at, at + tall]);
    [at, above] = [at + tall, low];
  }
  const height = Math.round(t + b + at), result = { ...layout, height };
  for (const name of used) {
    const [top, bottom] = placed.get(domainOf(name)[1]);
    result[name] = { ...layout[name], domain: [Math.max(0, 1 - bottom / at), 1 - top / at] };
  }
  if (layout.coloraxis) result.coloraxis = merged(layout.coloraxis, { colorbar: { y: 1 - 20 / height } });
  return result;
}

function themedLayout(plot, narrow, width) {
  const layout = shrunk(merged(plot.layout, narrow ? plot.narrow : {}), plot);
  const [ink, soft, card, grid, rule] = ["ink", "soft", "card", "grid", "rule"].map(color);
  for (const key of Object.keys(layout).filter((name) => /^[xy]axis\d*$/.test(name))) {
    const drawn = { gridcolor: grid, zerolinecolor: soft, zerolinewidth: 1, linecolor: rule, ticks: "" };
    layout[key] = merged(drawn, layout[key]);
  }
  if (layout.coloraxis) {
    const { cmin, cmax, colorbar } = layout.coloraxis;
    const colorscale = layout.meta.diverging ? heatScale(cmin, cmax) : sequence();
    const len = Math.min(colorbar.len, width - 24);
    layout.coloraxis = { cmin, cmax, colorscale, colorbar: { ...colorbar, len, tickfont: { size: 11 } } };
  }
  layout.shapes = (layout.shapes || []).map((shape) => ({ ...shape, line: { ...shape.line, color: ink } }));
  layout.annotations = (layout.annotations || []).map((text) => ({ ...text, font: { size: 13, color: ink } }));
  return merged(layout, {
    width, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: false, hovermode: "closest",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: soft },
    hoverlabel: { bgcolor: card, bordercolor: soft, font: { color: ink, size: 12 }, align: "left" },
  });
}

const figures = [...document.querySelectorAll("figure[data-figure]")].map((element) => ({
  element, target: element.querySelector(".plot"), near: false, drawn: -1,
  section: element.closest("[data-section]").dataset.section,
}));

function plotOf(figure) {
  figure.data ??= parsed(`data-${figure.element.dataset.figure}`);
  return figure.data.plots[Math.min(chosen[figure.section] || 0, figure.data.plots.length - 1)];
}

function draw(figure) {
  figure.drawn = version;
  const plot = filteredPlot(plotOf(figure));
  if (!plot) {
    Plotly.purge(figure.target);
    const said = "Nothing in this figure is of the chosen languages and layers.";
    return figure.target.replaceChildren(node("p", said, { class: "empty" }));
  }
  figure.target.querySelector(".empty")?.remove();
  const width = figure.target.clientWidth, narrow = width < plot.narrow_below;
  const data = plot.data.map((trace) => withValues(themedTrace(trace, narrow && isTight(trace, width) && plot.narrow_trace)));
  figure.target.style.minHeight = "0"; // the room that was kept for it
  return Plotly.react(figure.target, data, themedLayout(plot, narrow, width), { displayModeBar: false });
}

// One after another, so that the page answers while it draws.
let drawing = false;
async function drawNear() {
  if (drawing || !window.Plotly) return;
  drawing = true;
  root.dataset.drawn = "no";
  for (let next; (next = figures.find((one) => one.near && one.drawn !== version)); ) {
    await draw(next);
    await new Promise((resolve) => setTimeout(resolve));
  }
  drawing = false;
  root.dataset.drawn = "yes";
}

function redraw() {
  version += 1;
  return drawNear();
}

const nearby = new IntersectionObserver((entries) => {
  for (const entry of entries) figures.find((one) => one.target === entry.target).near = entry.isIntersecting;
  drawNear();
}, { rootMargin: "100%" }); // one screen ahead
