// Columns of the gallery with their counts: what is chosen becomes the filter.

import { freshId, h } from "../dom.js";
import { dayAfter, dayBefore, isDay, nameColumn, showValue, without } from "./conditions.js";

const SHOWN = 7;

export class Facets {
  constructor(onChange) {
    this.onChange = onChange;
    this.unfolded = new Set(); // columns of which all values are shown
    this.closed = new Set();
    this.element = h("div", { class: "find-facets" });
  }

  // facets: of /v1/facets. filter: {column: condition}.
  draw(facets, filter) {
    this.facets = facets.filter((facet) => facet.values.length || facet.ranges.length);
    this.filter = filter;
    const focused = this.element.getRootNode().activeElement;
    const at = this.element.contains(focused) ? focused.dataset.at : null;
    const typed = this.bounds().filter((one) => one.value !== one.defaultValue); // counts may come while one types
    this.element.replaceChildren(...this.facets.map((facet) => this.drawFacet(facet)));
    for (const before of typed) {
      const again = this.bounds().find((one) => one.dataset.at === before.dataset.at);
      if (again && again.defaultValue === before.defaultValue) again.value = before.value;
    }
    if (at) [...this.element.querySelectorAll("[data-at]")].find((one) => one.dataset.at === at)?.focus();
  }

  bounds() {
    return [...this.element.querySelectorAll(".find-bounds input")];
  }

  get empty() {
    return !this.element.childElementCount;
  }

  choose(column, test) {
    this.onChange(test === undefined ? without(this.filter, column) : { ...this.filter, [column]: test });
  }

  drawFacet(facet) {
    const { column } = facet;
    const chosen = this.filter[column];
    const ranges = facet.ranges.length > 0;
    const any = chosen === undefined ? null : h("button", { type: "button", class: "ws-link", "aria-label": `Any ${nameColumn(column)}`, onclick: () => this.choose(column) }, "any");
    const details = h("details", { class: "find-facet", open: !this.closed.has(column) },
      h("summary", { "data-at": `${column}/` }, nameColumn(column)),
      h("div", { role: "group", "aria-label": nameColumn(column) },
        ranges ? this.drawRanges(facet, chosen) : this.drawValues(facet, chosen), any));
    details.addEventListener("toggle", () => (details.open ? this.closed.delete(column) : this.closed.add(column)));
    return details;
  }

  drawValues(facet, chosen) {
    const { column } = facet;
    const wanted = readValues(chosen);
    const options = [...facet.values, ...wanted.filter((one) => !facet.values.some(({ value }) => value === one)).map((value) => ({ value, count: 0 }))];
    const all = options.length <= SHOWN + 1 || this.unfolded.has(column);
    const shown = options.filter(({ value }, at) => all || at < SHOWN || wanted.includes(value));
    const rows = shown.map(({ value, count }) => drawOption({
      type: "checkbox", at: `${column}/${value}`, label: showValue(value), count, checked: wanted.includes(value),
      onChoose: (on) => {
        const next = on ? [...wanted, value] : wanted.filter((one) => one !== value);
        this.choose(column, next.length ? { in: next } : undefined);
      },
    }));
    if (options.length > SHOWN + 1) rows.push(h("button", { type: "button", class: "ws-link", "data-at": `${column}/…`, "aria-expanded": String(all), onclick: () => this.unfold(column) }, all ? "Show fewer" : `Show all ${options.length}`));
    return rows;
  }

  unfold(column) {
    if (!this.unfolded.delete(column)) this.unfolded.add(column);
    this.draw(this.facets, this.filter);
  }

  drawRanges(facet, chosen) {
    const { column } = facet;
    const name = freshId("range");
    const most = Math.max(...facet.ranges.map(({ count }) => count), 1);
    const rows = facet.ranges.map((range) => {
      const test = readRange(range);
      return drawOption({ type: "radio", name, at: `${column}/${range.label}`, label: range.label, count: range.count, share: range.count / most,
        checked: isSame(test, chosen), onChoose: () => this.choose(column, test) });
    });
    return [...rows, this.drawBounds(facet, chosen)];
  }

  // Two fields for a range of one's own; the end of a range of dates is part of it.
  drawBounds(facet, chosen) {
    const { column } = facet;
    const date = facet.kind === "date";
    const given = chosen && typeof chosen === "object" ? chosen : {};
    const write = (value) => (value === undefined ? "" : String(value));
    const field = (label, value) => h("input", { type: date ? "date" : "number", step: "any", "data-at": `${column}/${label}`, "aria-label": `${nameColumn(column)} ${label}`, placeholder: label, value: write(value) });
    const from = field("from", given.gte);
    const to = field("to", date && isDay(given.lt) ? dayBefore(given.lt) : (given.lte ?? given.lt));
    const apply = () => {
      const test = {};
      const read = (input) => (date ? input.value : Number(input.value));
      if (from.value) test.gte = read(from);
      if (to.value) test[date ? "lt" : "lte"] = date ? dayAfter(to.value) : read(to);
      if (!isSame(test, chosen)) this.choose(column, Object.keys(test).length ? test : undefined);
    };
    const keys = (event) => event.key === "Enter" && apply();
    return h("div", { class: "find-bounds", onkeydown: keys }, from, h("span", { "aria-hidden": "true" }, "–"), to,
      h("button", { type: "button", class: "ws-button", "aria-label": `Go: ${nameColumn(column)}`, onclick: apply }, "Go"));
  }
}

function drawOption({ type, name, at, label, count, share, checked, onChoose }) {
  const id = freshId("option");
  return h("div", { class: `find-option${count || checked ? "" : " find-none"}` },
    h("input", { id, type, name, checked, "data-at": at, onchange: (event) => onChoose(event.target.checked) }),
    h("label", { for: id }, h("span", { class: "find-value", title: label }, label),
      share === undefined ? null : drawShare(share), h("span", { class: "find-number" }, h("span", { class: "ws-hidden" }, ": "), count.toLocaleString())));
}

function drawShare(share) {
  const bar = h("span", { class: "find-share", "aria-hidden": "true" });
  bar.style.setProperty("--share", String(share));
  return bar;
}

function readValues(chosen) {
  if (chosen === undefined) return [];
  if (chosen === null || typeof chosen !== "object") return [chosen];
  return Array.isArray(chosen.in) ? chosen.in : "eq" in chosen ? [chosen.eq] : [];
}

function readRange({ from, to }) {
  const test = {};
  if (from !== null) test.gte = from;
  if (to !== null) test.lt = to;
  return test;
}

function isSame(test, chosen) {
  const other = chosen && typeof chosen === "object" ? chosen : {};
  return ["gte", "lt", "lte", "gt"].every((name) => test[name] === other[name]);
}
