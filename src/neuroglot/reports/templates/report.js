"use strict";
// Draws the figures, builds the tables and offers both to download. Text from the data enters by textContent only.
(() => {
  const report = JSON.parse(document.getElementById("report-data").textContent);
  const root = document.documentElement;
  const chosen = {}; // section key -> which of its plots is shown

  // ---- theme -------------------------------------------------------------------------------------------------------
  const probe = document.createElement("span");
  document.body.append(probe);
  function color(name) {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  }
  function mixed(first, second, share) {
    const [a, b] = [first, second].map((text) => text.match(/[\d.]+/g).map(Number));
    return `rgb(${a.slice(0, 3).map((part, place) => Math.round(part + (b[place] - part) * share)).join(",")})`;
  }
  function along(stops, share) {
    const place = Math.min(share, 1) * (stops.length - 1);
    const left = Math.min(Math.floor(place), stops.length - 2);
    return mixed(stops[left], stops[left + 1], place - left);
  }
  // Equal amounts of harm and of its opposite get equal strength, even where the scale reaches further on one side.
  function heatScale(low, high) {
    const plus = ["heat-0", "heat-plus-1", "heat-plus-2"].map(color);
    const minus = ["heat-0", "heat-minus-1", "heat-minus-2"].map(color);
    const most = Math.max(-low, high);
    return Array.from({ length: 33 }, (_, step) => {
      const value = low + ((high - low) * step) / 32;
      return [step / 32, along(value < 0 ? minus : plus, Math.abs(value) / most)];
    });
  }
  function sequence() {
    return ["sequence-0", "sequence-1", "sequence-2", "sequence-3"].map((name, place) => [place / 3, color(name)]);
  }
  function isDark() {
    const set = root.dataset.theme;
    return set ? set === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  // ---- figures -----------------------------------------------------------------------------------------------------
  const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
  function merged(base, over) {
    const result = { ...base };
    for (const [key, value] of Object.entries(over)) {
      result[key] = isObject(value) && isObject(result[key]) ? merged(result[key], value) : value;
    }
    return result;
  }
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
  function themedLayout(plot, narrow, width) {
    const layout = merged(plot.layout, narrow ? plot.narrow : {});
    const [ink, soft, card, grid, rule] = ["ink", "soft", "card", "grid", "rule"].map(color);
    for (const key of Object.keys(layout).filter((name) => /^[xy]axis\d*$/.test(name))) {
      layout[key] = merged({ gridcolor: grid, zerolinecolor: soft, zerolinewidth: 1, linecolor: rule, ticks: "" }, layout[key]);
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
    element, target: element.querySelector(".plot"), ...report.figures[element.dataset.figure],
    section: element.closest("[data-section]").dataset.section,
  }));
  const plotOf = (figure) => figure.plots[Math.min(chosen[figure.section] || 0, figure.plots.length - 1)];
  function draw(figure) {
    const plot = plotOf(figure), width = figure.target.clientWidth, narrow = width < plot.narrow_below;
    const data = plot.data.map((trace) => themedTrace(trace, narrow && plot.narrow_trace));
    return Plotly.react(figure.target, data, themedLayout(plot, narrow, width), { displayModeBar: false });
  }
  // One after another, so that the page answers while it draws.
  let drawing = 0;
  async function drawAll() {
    const mine = ++drawing;
    root.dataset.drawn = "no";
    for (const figure of figures) {
      await draw(figure);
      await new Promise((resolve) => setTimeout(resolve));
      if (mine !== drawing) return;
    }
    root.dataset.drawn = "yes";
  }
  async function unpacked() {
    const packed = atob(document.getElementById("plotly-packed").textContent);
    const bytes = Uint8Array.from(packed, (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }

  // ---- tables ------------------------------------------------------------------------------------------------------
  function written(cell) {
    if (cell === null) return "–";
    if (typeof cell === "string") return cell;
    if (Number.isInteger(cell)) return cell.toLocaleString("en").replace("-", "−");
    const text = Math.abs(cell) >= 1e-4 && Math.abs(cell) < 1e6 ? Number(cell.toPrecision(3)).toString() : cell.toExponential(1);
    return text.replace("-", "−");
  }
  function compared(first, second) {
    if (first === null || second === null) return (first === null) - (second === null);
    return typeof first === "string" ? first.localeCompare(second) : first - second;
  }
  function node(name, text, attributes = {}) {
    const element = document.createElement(name);
    element.textContent = text;
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  }
  function buildTable(place, table) {
    const numeric = table.columns.map((_, column) => table.rows.some((row) => typeof row[column] === "number"));
    const body = document.createElement("tbody");
    const head = document.createElement("tr");
    const fill = (rows) => body.replaceChildren(...rows.map((row) => {
      const line = document.createElement("tr");
      line.append(...row.map((cell, column) => node("td", written(cell), numeric[column] ? { class: "number" } : { dir: "auto" })));
      return line;
    }));
    table.columns.forEach((name, column) => {
      const cell = node("th", "", { scope: "col", class: numeric[column] ? "number" : "" });
      const button = node("button", name, { type: "button" });
      button.addEventListener("click", () => {
        const up = cell.getAttribute("aria-sort") !== "ascending";
        for (const other of head.children) other.removeAttribute("aria-sort");
        cell.setAttribute("aria-sort", up ? "ascending" : "descending");
        fill([...table.rows].sort((a, b) => (up ? 1 : -1) * compared(a[column], b[column])));
      });
      cell.append(button);
      if (table.units[column]) cell.append(node("small", table.units[column]));
      head.append(cell);
    });
    fill(table.rows);
    const element = document.createElement("table");
    const top = document.createElement("thead");
    top.append(head);
    element.append(top, body);
    place.replaceChildren(element);
  }
  function showTable(figure) {
    const details = figure.element.querySelector("details.table");
    if (details.open) buildTable(details.querySelector(".scroll"), plotOf(figure).table);
  }

  // ---- downloads ---------------------------------------------------------------------------------------------------
  function csv(table) {
    const safe = (cell) => (typeof cell === "string" && /^[=+\-@]/.test(cell) ? `'${cell}` : cell === null ? "" : String(cell));
    const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const heads = table.columns.map((name, place) => (table.units[place] ? `${name} (${table.units[place]})` : name));
    return [heads, ...table.rows].map((row) => row.map((cell) => quoted(safe(cell))).join(",") + "\r\n").join("");
  }
  function save(name, content) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type: "text/csv" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
  function savePicture(figure, format) {
    const { data, layout } = figure.target;
    const height = layout.height + 40;
    const title = { text: figure.title, x: 0.02, xanchor: "left", font: { color: color("ink"), size: 15 } };
    const margin = { ...layout.margin, t: layout.margin.t + 40 };
    const picture = { data, layout: { ...layout, title, height, margin, paper_bgcolor: color("card") } };
    Plotly.downloadImage(picture, { format, width: layout.width, height, scale: 2, filename: plotOf(figure).table.key });
  }

  // ---- wiring ------------------------------------------------------------------------------------------------------
  for (const figure of figures) {
    figure.element.querySelector("details.table").addEventListener("toggle", () => showTable(figure));
    for (const button of figure.element.querySelectorAll("[data-download]")) {
      const format = button.dataset.download, table = () => plotOf(figure).table;
      button.addEventListener("click", () => (format === "csv" ? save(`${table().key}.csv`, csv(table())) : savePicture(figure, format)));
    }
  }
  for (const element of document.querySelectorAll("[data-table]")) {
    const table = report.tables[element.dataset.table];
    buildTable(element.querySelector(".scroll"), table);
    element.querySelector("[data-download]").addEventListener("click", () => save(`${table.key}.csv`, csv(table)));
  }
  for (const input of document.querySelectorAll(".choice input")) {
    input.addEventListener("change", () => {
      const section = input.closest("[data-section]").dataset.section;
      chosen[section] = Number(input.value);
      for (const figure of figures.filter((one) => one.section === section)) { draw(figure); showTable(figure); }
    });
  }
  const toggle = document.getElementById("theme");
  function nameToggle() {
    toggle.textContent = isDark() ? "Light" : "Dark";
    toggle.setAttribute("aria-label", `Switch to the ${isDark() ? "light" : "dark"} theme`);
  }
  toggle.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    nameToggle();
    drawAll();
  });
  nameToggle();

  unpacked().then((source) => {
    const script = document.createElement("script");
    script.textContent = source;
    document.head.append(script);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { nameToggle(); drawAll(); });
    let waiting, width = innerWidth;
    addEventListener("resize", () => {
      if (innerWidth === width) return; // a phone's address bar comes and goes
      width = innerWidth;
      clearTimeout(waiting);
      waiting = setTimeout(drawAll, 150);
    });
    // Paper is light and about 680 pixels wide, whatever the screen is.
    let before;
    addEventListener("beforeprint", () => { before = root.dataset.theme; root.dataset.theme = "light"; figures.forEach(draw); });
    addEventListener("afterprint", () => { if (before) root.dataset.theme = before; else delete root.dataset.theme; drawAll(); });
    return drawAll();
  });
})();
