// One neuron at a time: its rate by language, its categories, whose it is, and the texts where it fires most.
// Rates are whole numbers on a square-root scale; see reports/explorer.py.
const place = document.getElementById("explorer");
const percent = (share) => `${(100 * share).toFixed(1)}%`;

async function explorerData() {
  const data = parsed("explorer-data"), packed = data.packed;
  const bytes = async (name) => packed[name] && new Uint8Array(await unpacked(packed[name], "deflate-raw").arrayBuffer());
  const wide = (found) => found && new Uint16Array(found.buffer);
  const gaps = new Uint32Array((await bytes("ids")).buffer);
  let last = 0;
  data.ids = gaps.map((gap) => (last += gap));
  [data.rates, data.byCategory, data.members] = await Promise.all(["rates", "categories", "sets"].map(bytes));
  if (data.scale > 254) data.rates = wide(data.rates);
  data.byCategory = wide(data.byCategory);
  return data;
}

function positionOf(ids, number) {
  let low = 0, high = ids.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ids[middle] < number) low = middle + 1; else high = middle;
  }
  return ids[low] === number ? low : -1;
}

// A row with a bar as long as the share, and an interval drawn through it where there is one.
function barRow(name, share, tone, ends, attributes = {}) {
  const row = node("tr", ""), bar = node("div", "", { class: "meter" }), fill = node("i", "");
  fill.style.width = `${100 * (share ?? 0)}%`;
  fill.style.background = `var(--${tone})`;
  bar.append(fill);
  if (ends) {
    const whisker = node("b", "");
    whisker.style.left = `${100 * ends[0]}%`;
    whisker.style.width = `${100 * (ends[1] - ends[0])}%`;
    bar.append(whisker);
  }
  const cell = node("td", "", { class: "gauge", "aria-hidden": "true" });
  cell.append(bar);
  const value = share === null ? "–" : percent(share) + (ends ? ` [${ends.map(percent).join(", ")}]` : "");
  row.append(node("th", name, { scope: "row", dir: "auto", ...attributes }), cell, node("td", value, { class: "number" }));
  return row;
}

function barTable(caption, heads, rows) {
  const table = node("table", "", { class: "bars" }), head = node("thead", ""), line = node("tr", ""), body = node("tbody", "");
  line.append(node("th", heads[0], { scope: "col" }), node("td", ""), node("th", heads[1], { scope: "col", class: "number" }));
  head.append(line);
  body.append(...rows);
  table.append(node("caption", caption), head, body);
  return table;
}

function rateTable(data, at) {
  const count = data.languages.length;
  const rows = data.languages.map(([code, label], language) => {
    const found = data.rates[at * count + language], share = found > data.scale ? null : (found / data.scale) ** 2;
    return isHidden(code) ? null : barRow(label, share, "observed");
  });
  return barTable("How often it fires", ["language", "share of tokens"], rows.filter(Boolean));
}

function categoryTable(data, at) {
  const [categories, count] = data.categories;
  const rows = categories.map((name, place) => barRow(name, data.byCategory[at * categories.length + place] / 65534, name));
  return barTable(`On how many of ${count.toLocaleString("en")} parallel rows it is of each category`, ["category", "share of rows"], rows);
}

function setsOf(data, at) {
  const width = Math.ceil(data.kept / 8);
  const mine = data.sets.filter((_, place) => data.members[place * width + (at >> 3)] & (128 >> (at & 7)));
  const label = (code) => names.get(code)?.label ?? code;
  return mine.length ? `In the sets of ${mine.map(label).join(", ")}.` : "In no language's set.";
}

function textParts(data, number) {
  const at = data.texts ? data.texts.neurons.indexOf(number) : -1;
  if (at < 0) {
    const why = data.texts ? "Its texts were not kept: it is in no set, or in sets too large for the page." : "This report was made without texts.";
    return [node("p", why, { class: "empty" })];
  }
  const { texts, places, shares, means } = data.texts;
  const rows = data.languages.map(([code, label], language) => {
    const [mean, ...ends] = means[at][language];
    return isHidden(code) ? null : barRow(label, mean, "observed", mean === null || ends.includes(null) ? null : ends);
  });
  const list = node("ol", "", { class: "texts" }), most = node("div", "");
  places[at].forEach((place, order) => {
    const [code, id, text] = texts[place], line = node("li", "");
    const said = `${names.get(code)?.label ?? code}, row ${id}: fires on ${percent(shares[at][order])} of its tokens`;
    line.append(node("span", said), node("p", text, { lang: code, dir: data.texts.directions[code] }));
    if (!isHidden(code)) list.append(line);
  });
  const none = node("p", "None is in the chosen languages.", { class: "empty" });
  most.append(node("h4", "Texts where it fires most"), list.children.length ? list : none);
  const caption = "Mean over texts, with its 95% interval over parallel rows";
  return [barTable(caption, ["language", "share of a text's tokens"], rows.filter(Boolean)), most];
}

function showNeuron(data, layer, index) {
  const [label, width, start] = data.layers[layer], shown = place.querySelector(".neuron");
  const at = positionOf(data.ids, start + index), title = node("h3", `${label}, neuron ${index}`, { tabindex: "-1" });
  const say = (text) => node("p", text, { class: "empty" });
  if (!(index >= 0 && index < width)) return shown.replaceChildren(say(`${label} has the neurons 0 to ${width - 1}.`));
  if (at < 0) return shown.replaceChildren(title, say("This neuron is not in the page: others are more language-specific."));
  const parts = node("div", "", { class: "parts" });
  const [means, ...most] = textParts(data, start + index);
  parts.append(rateTable(data, at), means, ...(data.categories ? [categoryTable(data, at)] : []), ...most);
  return shown.replaceChildren(title, ...(data.sets.length ? [node("p", setsOf(data, at))] : []), parts);
}

async function startExplorer() {
  const data = await explorerData(), form = place.querySelector("form");
  const [layer, index] = ["layer", "neuron"].map((name) => form.elements[name]);
  data.layers.forEach(([label], order) => layer.append(node("option", label, { value: order })));
  const update = () => showNeuron(data, Number(layer.value), index.value === "" ? -1 : Number(index.value));
  const limit = () => { index.max = data.layers[layer.value][1] - 1; };
  const pickNeuron = (label, number) => {
    layer.value = data.layers.findIndex((one) => one[0] === label);
    index.value = number;
    limit();
    update();
  };
  const list = () => buildTable(place.querySelector(".specific"), data.specific, (row) => {
    const label = `Show ${row[1]}, neuron ${row[2]}`;
    const cell = node("td", ""), button = node("button", "Show", { type: "button", "aria-label": label });
    button.addEventListener("click", () => {
      pickNeuron(row[1], row[2]);
      place.querySelector(".neuron h3").focus();
    });
    cell.append(button);
    return cell;
  });
  layer.addEventListener("change", () => { limit(); update(); });
  index.addEventListener("input", update);
  form.addEventListener("submit", (event) => { event.preventDefault(); update(); });
  document.addEventListener("filtered", () => { list(); update(); });
  list();
  const [, layerLabel, number] = data.specific.rows[0] ?? ["", data.layers[0][0], 0];
  pickNeuron(layerLabel, number);
  place.dataset.ready = "yes";
}

// Unpacked only when a reader comes near.
if (place) new IntersectionObserver((entries, observer) => {
  if (!entries.some((entry) => entry.isIntersecting)) return;
  observer.disconnect();
  startExplorer();
}, { rootMargin: "600px" }).observe(place);
