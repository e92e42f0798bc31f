// What all other parts use: the data inside the page, elements, and files to save.
// Text from the data enters by textContent only.
const root = document.documentElement;
const parsed = (id) => JSON.parse(document.getElementById(id).textContent);
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

function merged(base, over) {
  const result = { ...base };
  for (const [key, value] of Object.entries(over)) {
    result[key] = isObject(value) && isObject(result[key]) ? merged(result[key], value) : value;
  }
  return result;
}

function node(name, text, attributes = {}) {
  const element = document.createElement(name);
  element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function save(name, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function bytesOf(base64) {
  const packed = atob(base64), bytes = new Uint8Array(packed.length);
  for (let place = 0; place < packed.length; place++) bytes[place] = packed.charCodeAt(place);
  return bytes;
}

function unpacked(base64, format) {
  return new Response(new Blob([bytesOf(base64)]).stream().pipeThrough(new DecompressionStream(format)));
}
