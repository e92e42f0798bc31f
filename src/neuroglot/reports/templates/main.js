// Wiring: what a reader can press, and what is drawn when.
function showTable(figure) {
  const details = figure.element.querySelector("details.table");
  if (details.open) buildTable(details.querySelector(".scroll"), plotOf(figure).table);
}

async function savePicture(figure, format) {
  await draw(figure);
  if (!figure.target.data) return; // nothing of it is chosen
  const { data, layout } = figure.target;
  const height = layout.height + 40;
  const text = figure.element.querySelector("h3").textContent.replaceAll("<", "&lt;");
  const title = { text, x: 0.02, xanchor: "left", font: { color: color("ink"), size: 15 } };
  const margin = { ...layout.margin, t: layout.margin.t + 40 };
  const picture = { data, layout: { ...layout, title, height, margin, paper_bgcolor: color("card") } };
  Plotly.downloadImage(picture, { format, width: layout.width, height, scale: 2, filename: plotOf(figure).table.key });
}

for (const figure of figures) {
  nearby.observe(figure.target);
  figure.element.querySelector("details.table").addEventListener("toggle", () => showTable(figure));
  for (const button of figure.element.querySelectorAll("[data-download]")) {
    const format = button.dataset.download, table = () => plotOf(figure).table;
    button.addEventListener("click", () => {
      if (format === "csv") save(`${table().key}.csv`, csv(table()));
      else savePicture(figure, format);
    });
  }
}

const standing = [...document.querySelectorAll("[data-table]")].map((element) => {
  const table = parsed(`data-${element.dataset.table}`);
  element.querySelector("[data-download]").addEventListener("click", () => save(`${table.key}.csv`, csv(table)));
  return () => buildTable(element.querySelector(".scroll"), table);
});
const buildTables = () => { standing.forEach((build) => build()); figures.forEach(showTable); };
buildTables();

for (const input of document.querySelectorAll(".choice input")) {
  input.addEventListener("change", () => {
    const section = input.closest("[data-section]").dataset.section;
    chosen[section] = Number(input.value);
    for (const figure of figures.filter((one) => one.section === section)) { figure.drawn = -1; showTable(figure); }
    drawNear();
  });
}

function languagesShown() {
  const codes = [...show.languages];
  if (!codes.length) return "all languages";
  return codes.length <= 6 ? codes.join(", ") : `${codes.length} languages`;
}

function layersShown() {
  const all = show.first === 0 && show.last === filterable.layers.length - 1;
  const [first, last] = [show.first, show.last].map((place) => filterable.layers[place][1]);
  return all ? "all layers" : `${first} to ${last}`;
}

function listenToFilters(form) {
  const first = form.querySelector("[name=first]"), last = form.querySelector("[name=last]");
  const said = form.querySelector(".shown");
  const update = () => {
    show.languages = new Set([...form.querySelectorAll("[name=language]:checked")].map((input) => input.value));
    if (first) {
      if (Number(first.value) > Number(last.value)) [first.value, last.value] = [last.value, first.value];
      [show.first, show.last] = [Number(first.value), Number(last.value)];
    }
    said.textContent = [languagesShown(), ...(first ? [layersShown()] : [])].join("; ");
    buildTables();
    document.dispatchEvent(new Event("filtered"));
    redraw();
  };
  form.addEventListener("change", update);
  form.addEventListener("reset", () => setTimeout(update));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.reset(); // a browser keeps what was chosen over a reload
}
document.querySelectorAll("form.filters").forEach(listenToFilters);

const toggle = document.getElementById("theme");
function nameToggle() {
  toggle.textContent = isDark() ? "Light" : "Dark";
  toggle.setAttribute("aria-label", `${isDark() ? "Light" : "Dark"}: switch to this theme`);
}
function themeChanged() {
  colors.clear();
  nameToggle();
  redraw();
}
toggle.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  themeChanged();
});
nameToggle();

let waiting, width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === width) return; // a phone's address bar comes and goes
  width = innerWidth;
  clearTimeout(waiting);
  waiting = setTimeout(redraw, 150);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themeChanged);
// Paper is light and about 680 pixels wide, whatever the screen is; everything is on it.
let before;
addEventListener("beforeprint", () => {
  before = root.dataset.theme;
  root.dataset.theme = "light";
  root.classList.add("paper");
  colors.clear();
  version += 1;
  buildTables();
  figures.forEach(draw);
});
addEventListener("afterprint", () => {
  root.classList.remove("paper");
  if (before) root.dataset.theme = before;
  else delete root.dataset.theme;
  themeChanged();
});

unpacked(document.getElementById("plotly-packed").textContent, "gzip").text().then((source) => {
  const script = document.createElement("script");
  script.textContent = source;
  document.head.append(script);
  drawNear();
});
