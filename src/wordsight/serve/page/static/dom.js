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
  if (probability >= 0.995) return "> 99 %";
  if (probability < 0.005) return "< 1 %";
  return `${Math.round(100 * probability)} %`;
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
