// Making elements without markup in strings: what comes from the server is text, never HTML.

// h("button", {class: "primary", onclick: f, "aria-label": "x"}, "text", child, null)
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key in element && !key.includes("-") && typeof value !== "string") element[key] = value;
    else element.setAttribute(key === "className" ? "class" : key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// {text, marks: [[start, end]]} as nodes, with the marked words in <mark>. Positions are in characters (code points).
export function marked({ text, marks }) {
  const letters = Array.from(text);
  const nodes = [];
  let at = 0;
  for (const [start, end] of marks ?? []) {
    nodes.push(letters.slice(at, start).join(""), h("mark", {}, letters.slice(start, end).join("")));
    at = end;
  }
  nodes.push(letters.slice(at).join(""));
  return nodes;
}

export function percent(probability) {
  if (probability >= 0.995) return "> 99%";
  if (probability < 0.005) return "< 1%";
  return `${Math.round(100 * probability)}%`;
}

let last = 0;
export function freshId(start = "ws") {
  last += 1;
  return `${start}-${last}`;
}

// Says something to people who listen to the page; polite.
export function announce(message) {
  let region = document.getElementById("ws-announcer");
  if (!region) {
    region = h("div", { id: "ws-announcer", role: "status", "aria-live": "polite", class: "ws-hidden" });
    document.body.append(region);
  }
  region.textContent = message;
}

// Lines of icons on a field of 24 × 24.
const ICONS = {
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14ZM16 16l5 5",
  image: "M4 5h16v14H4ZM4 16l5-5 4 4 3-3 4 4M15.5 9.5h.01",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  cross: "M6 6l12 12M18 6L6 18",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  open: "M14 4h6v6M20 4l-9 9M18 14v6H4V6h6",
  filter: "M4 6h16M7 12h10M10 18h4",
  copies: "M8 8h12v12H8ZM16 8V4H4v12h4",
};

export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "ws-icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}
