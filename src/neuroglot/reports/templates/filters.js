// Which languages and layers are shown. A place on an axis, a panel or a row of a table goes by its name.
const filterable = parsed("names"); // languages: [[code, label]], layers: [[short, label]]
const names = new Map();
filterable.languages.forEach(([code, label]) => {
  for (const name of [code, label]) names.set(name, { kind: "language", code, label, short: code });
});
filterable.layers.forEach(([short, label], place) => names.set(label, { kind: "layer", place, short }));
const show = { languages: new Set(), first: 0, last: filterable.layers.length - 1 }; // no language chosen: all

const unescaped = (text) => String(text).replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

function isHidden(name) {
  const known = names.get(unescaped(name));
  if (!known) return false;
  if (known.kind === "layer") return known.place < show.first || known.place > show.last;
  return show.languages.size > 0 && !show.languages.has(known.code);
}
const isFiltered = () => show.languages.size > 0 || show.first > 0 || show.last < filterable.layers.length - 1;
const keptPlaces = (values) => values.map((_, place) => place).filter((place) => !isHidden(values[place]));
const pick = (values, places) => places.map((place) => values[place]);

// A column takes part where every text in it is the name of a language or layer.
function filteredRows(table) {
  const named = table.columns.map((_, column) => table.rows.every((row) => row[column] === null || names.has(row[column])));
  return table.rows.filter((row) => !row.some((cell, column) => cell !== null && named[column] && isHidden(cell)));
}

function pickedTrace(trace, places) {
  const result = { ...trace };
  for (const key of ["x", "y", "customdata"]) if (Array.isArray(trace[key])) result[key] = pick(trace[key], places);
  for (const key of ["error_x", "error_y"]) {
    if (!trace[key]) continue;
    const { array, arrayminus } = trace[key];
    result[key] = { ...trace[key], array: pick(array, places), arrayminus: pick(arrayminus, places) };
  }
  return result;
}

function filteredTrace(trace, rows) {
  if (trace.type === "heatmap") {
    const across = keptPlaces(trace.x), down = keptPlaces(trace.y);
    const cells = (values) => values && pick(values, down).map((row) => pick(row, across));
    const told = trace.customdata ? { customdata: cells(trace.customdata) } : {};
    return { ...trace, x: pick(trace.x, across), y: pick(trace.y, down), z: cells(trace.z), ...told };
  }
  if (typeof trace.x[0] === "string") return pickedTrace(trace, keptPlaces(trace.x));
  if (!rows) return trace;
  const places = trace.y.map((_, place) => place).filter((place) => rows.includes(Math.round(trace.y[place])));
  const moved = (value) => value - Math.round(value) + rows.indexOf(Math.round(value));
  const kept = pickedTrace(trace, places);
  return { ...kept, y: kept.y.map(moved) };
}

function filteredAxis(axis, over) {
  if (!axis.tickvals || typeof axis.tickvals[0] !== "string") return [axis, over];
  const places = keptPlaces(axis.tickvals);
  if (places.length === axis.tickvals.length) return [axis, over];
  const text = (one) => {
    if (!one || !one.ticktext) return one;
    const kept = pick(one.ticktext, places);
    if (places.length > 12) return { ...one, ticktext: kept };
    const short = (place) => names.get(unescaped(axis.tickvals[place]))?.short ?? ""; // thinned out names return
    const large = one.tickfont ? { tickfont: { size: 11 } } : {};
    return { ...one, ...large, tickangle: 0, ticktext: kept.includes("") ? places.map(short) : kept };
  };
  const range = axis.range ? { range: [-0.5, places.length - 0.5] } : {};
  return [{ ...text(axis), ...range, tickvals: pick(axis.tickvals, places) }, text(over)];
}

// Outlined cells move with their row and column, and are left out with them.
function filteredShapes(shapes, data) {
  const map = data.find((trace) => trace.type === "heatmap");
  if (!map || !shapes) return shapes;
  const across = keptPlaces(map.x), down = keptPlaces(map.y);
  return shapes.flatMap((shape) => {
    const x = across.indexOf(shape.x0 + 0.5), y = down.indexOf(shape.y0 + 0.5);
    return x < 0 || y < 0 ? [] : [{ ...shape, x0: x - 0.5, x1: x + 0.5, y0: y - 0.5, y1: y + 0.5 }];
  });
}

// Rows of dots stand at numbers, and their names on the axis beside them.
function filteredDots(layout, narrow) {
  const rows = keptPlaces(layout.yaxis.ticktext);
  const text = (axis) => (axis && axis.ticktext ? { ...axis, ticktext: pick(axis.ticktext, rows) } : axis);
  const yaxis = { ...text(layout.yaxis), tickvals: rows.map((_, place) => place), range: [rows.length - 0.45, -0.55] };
  return [rows, { ...layout, yaxis }, narrow.yaxis ? { ...narrow, yaxis: text(narrow.yaxis) } : narrow];
}

// Panels of chosen languages move up to the first places, the first of them with the legend.
function filteredPanels(annotations, data) {
  const titles = (annotations || []).filter((text) => text.xref?.endsWith(" domain"));
  const named = titles.map((text) => /^<b>(.*)<\/b>$/.exec(text.text)?.[1]);
  if (!named.some((name) => name && isHidden(name))) return [annotations, data];
  const kept = titles.filter((_, panel) => !isHidden(named[panel]));
  const axisOf = (text) => text.xref.replace(" domain", "");
  const placeOf = new Map(kept.map((text, place) => [axisOf(text), axisOf(titles[place])]));
  const moved = kept.map((text) => {
    const x = placeOf.get(axisOf(text));
    return { ...text, xref: `${x} domain`, yref: `${x.replace("x", "y")} domain` };
  });
  const first = axisOf(titles[0]);
  const shown = data.filter((trace) => placeOf.has(trace.xaxis)).map((trace) => {
    const x = placeOf.get(trace.xaxis);
    return { ...trace, xaxis: x, yaxis: x.replace("x", "y"), showlegend: x === first };
  });
  return [moved, shown];
}

// The part of a plot that is shown: null where nothing of it is.
function filteredPlot(plot) {
  if (!isFiltered() || plot.layout.meta?.tree) return plot;
  let { layout, narrow } = plot, rows = null;
  const stands = plot.layout.yaxis?.tickvals, all = stands?.length;
  if (typeof stands?.[0] === "number") [rows, layout, narrow] = filteredDots(layout, narrow);
  const [annotations, shown] = filteredPanels(layout.annotations, plot.data);
  const data = shown.map((trace) => filteredTrace(trace, rows));
  if (!data.some((trace) => trace.x.length && trace.y.length)) return null;
  layout = { ...layout, annotations, shapes: filteredShapes(layout.shapes, plot.data) };
  narrow = { ...narrow };
  for (const key of Object.keys(layout).filter((name) => /^[xy]axis\d*$/.test(name))) {
    const [axis, over] = filteredAxis(layout[key], narrow[key]);
    layout[key] = axis;
    if (over) narrow[key] = over;
  }
  const kept = layout.yaxis.tickvals?.length;
  return { ...plot, data, layout, narrow, share: all ? kept / all : 1, least: 20 * (kept ?? 0) };
}
