// Colours come from the style sheet, by role, so that figures follow the theme.
const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);
const colors = new Map();

function color(name) {
  if (!colors.has(name)) {
    probe.style.color = `var(--${name})`;
    colors.set(name, getComputedStyle(probe).color);
  }
  return colors.get(name);
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
  return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}
