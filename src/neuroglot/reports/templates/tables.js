// Tables that sort by any column, and the same rows as CSV.
// Three significant digits, as the sentences have them: 0.0230, 1,234, −0.500, 1.81e−05.
function inWords(value) {
  if (Math.abs(value) >= 999.5) return Math.round(value).toLocaleString("en").replace("-", "−");
  const text = Math.abs(value) >= 1e-4 || !value ? value.toPrecision(3) : value.toExponential(2);
  return text.replace(/e-(\d)$/, "e-0$1").replaceAll("-", "−").replace(/\.$/, "");
}

function written(cell) {
  if (cell === null) return "–";
  if (typeof cell === "string") return cell;
  if (Number.isInteger(cell)) return cell.toLocaleString("en").replace("-", "−");
  return inWords(cell);
}

function compared(first, second) {
  return typeof first === "string" ? first.localeCompare(second) : first - second;
}

function sorted(rows, column, up) {
  const known = rows.filter((row) => row[column] !== null).sort((a, b) => (up ? 1 : -1) * compared(a[column], b[column]));
  return [...known, ...rows.filter((row) => row[column] === null)]; // what is not defined comes last either way
}

// Rows as the filters leave them; `act` gives a cell to stand before each row.
function buildTable(place, table, act) {
  const rows = filteredRows(table);
  const numeric = table.columns.map((_, column) => table.rows.some((row) => typeof row[column] === "number"));
  const body = document.createElement("tbody"), head = document.createElement("tr");
  const fill = (shown) => body.replaceChildren(...shown.map((row) => {
    const line = document.createElement("tr");
    const kind = (column) => (numeric[column] ? { class: "number" } : { dir: "auto" });
    line.append(...row.map((cell, column) => node("td", written(cell), kind(column))));
    if (act) line.prepend(act(row));
    return line;
  }));
  table.columns.forEach((name, column) => {
    const cell = node("th", "", { scope: "col", class: numeric[column] ? "number" : "" });
    const button = node("button", name, { type: "button" });
    button.addEventListener("click", () => {
      const up = cell.getAttribute("aria-sort") !== "ascending";
      for (const other of head.children) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", up ? "ascending" : "descending");
      fill(sorted(rows, column, up));
    });
    cell.append(button);
    if (table.units[column]) cell.append(node("small", table.units[column]));
    head.append(cell);
  });
  if (act) head.prepend(node("td", ""));
  fill(rows);
  const element = document.createElement("table"), top = document.createElement("thead");
  top.append(head);
  element.append(node("caption", table.title, { class: "unseen" }), top, body);
  place.replaceChildren(element);
  if (!rows.length) place.append(node("p", "No row is of the chosen languages and layers.", { class: "empty" }));
}

function csv(table) {
  const safe = (cell) => (typeof cell === "string" && /^[=+\-@]/.test(cell) ? `'${cell}` : cell === null ? "" : String(cell));
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const heads = table.columns.map((name, place) => (table.units[place] ? `${name} (${table.units[place]})` : name));
  return [heads, ...filteredRows(table)].map((row) => row.map((cell) => quoted(safe(cell))).join(",") + "\r\n").join("");
}
