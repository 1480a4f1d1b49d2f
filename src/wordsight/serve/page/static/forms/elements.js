// Making elements, and small things that every tab does with them.

import { freshId, h } from "../dom.js";

/** Add children: elements, texts, lists of these; null and false are left out. */
export function append(parent, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) parent.append(child);
  }
}

/** Put other children in the place of those that are there. */
export function refill(parent, ...children) {
  parent.replaceChildren();
  append(parent, children);
}

/** Field with its label and hint. */
export function field(label, control, hint = null) {
  control.id ||= freshId();
  let told = null;
  if (hint) {
    told = h("p", { class: "tb-hint", id: `${control.id}-hint` }, hint);
    control.setAttribute("aria-describedby", told.id);
  }
  return h("div", { class: "tb-field" }, h("label", { for: control.id }, label), control, told);
}

/** Button that submits nothing. */
export function button(text, onclick, attributes = {}) {
  return h("button", { type: "button", class: "ws-button", onclick, ...attributes }, text);
}

/** Switch: a checkbox that reads as on or off. */
export function switchField(label, checked, hint = null) {
  const input = h("input", { type: "checkbox", role: "switch", id: freshId(), checked });
  const told = hint && h("span", { class: "tb-hint", id: `${input.id}-hint` }, hint);
  if (told) input.setAttribute("aria-describedby", told.id);
  return { input, element: h("div", { class: "tb-switch" }, input, h("label", { for: input.id }, label), told) };
}

/** Group of radio buttons: options are [value, text]; `onchange` gets the value. */
export function radios(legend, options, chosen, onchange) {
  const name = freshId("choice");
  const items = options.map(([value, text]) => {
    const input = h("input", { type: "radio", name, value, checked: value === chosen, id: freshId() });
    input.addEventListener("change", () => onchange(value));
    return h("span", { class: "tb-choice" }, input, h("label", { for: input.id }, text));
  });
  return h("fieldset", { class: "tb-choices" }, h("legend", {}, legend), items);
}

/** Number with its noun: "1 image", "12 images". */
export function count(number, singular, plural = `${singular}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? singular : plural}`;
}

/** Size of a file as people read it. */
export function fileSize(bytes) {
  if (!Number.isFinite(bytes)) return "";
  const units = ["bytes", "kB", "MB", "GB"];
  let [value, unit] = [bytes, 0];
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Values that last as long as the browser's tab; one that cannot be stored is only remembered by the page. */
export const kept = {
  read(key, otherwise) {
    try {
      const text = sessionStorage.getItem(`wordsight.${key}`);
      return text === null ? otherwise : JSON.parse(text);
    } catch {
      return otherwise;
    }
  },
  write(key, value) {
    try {
      sessionStorage.setItem(`wordsight.${key}`, JSON.stringify(value));
    } catch {
      // full, or forbidden by the browser
    }
  },
};

/** Keep the value of a text field, select or checkbox over a reload. */
export function remember(control, key) {
  const property = control.type === "checkbox" ? "checked" : "value";
  const before = kept.read(key, null);
  if (before !== null) control[property] = before;
  control.addEventListener("input", () => kept.write(key, control[property]));
}

/** Frame in which something wide scrolls by itself, by keys too. */
export function scrolling(label, content) {
  return h("div", { class: "tb-scroll", tabindex: "0", role: "region", "aria-label": label }, content);
}

/** Table with a caption, heads and rows of cells; the first cell of a row is its head. */
export function table(caption, heads, rows) {
  return scrolling(caption, h("table", { class: "tb-table" },
    h("caption", { class: "ws-hidden" }, caption),
    h("thead", {}, h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head)))),
    h("tbody", {}, ...rows.map((cells) => h("tr", {}, ...cells.map((cell, i) =>
      h(i === 0 ? "th" : "td", i === 0 ? { scope: "row" } : {}, cell)))))));
}
