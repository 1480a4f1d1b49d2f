// Columns of the gallery with their counts: what is chosen becomes the filter.

import { freshId, h } from "../dom.js";

const SHOWN = 8;

// facets: of /v1/facets. filter: {column: condition}. onChange(filter).
export function drawFacets(facets, filter, onChange, unfolded) {
  return facets
    .filter((facet) => facet.values.length || facet.ranges.length)
    .map((facet) => drawFacet(facet, filter, onChange, unfolded));
}

function drawFacet(facet, filter, onChange, unfolded) {
  const chosen = filter[facet.column];
  const options = facet.ranges.length ? rangeOptions(facet, chosen) : valueOptions(facet, chosen);
  const all = unfolded.has(facet.column);
  const many = options.length > SHOWN + 1;
  const shown = !many || all ? options : options.filter((option, at) => at < SHOWN || option.checked);
  const single = facet.ranges.length > 0;
  const name = freshId("facet");
  const rows = shown.map((option) => drawOption(option, single, name, () => onChange(change(filter, facet, options, option, single))));
  const more = many
    ? h("button", { type: "button", class: "ws-link", "aria-expanded": String(all), onclick: (event) => unfold(event, facet.column, unfolded, onChange, filter) },
        all ? "Fewer" : `All ${options.length}`)
    : null;
  const clear = chosen === undefined ? null
    : h("button", { type: "button", class: "ws-link", onclick: () => onChange(without(filter, facet.column)), "aria-label": `Any ${label(facet.column)}` }, "Any");
  return h("fieldset", { class: "ws-facet" }, h("legend", {}, label(facet.column), clear), rows, more);
}

function unfold(event, column, unfolded, onChange, filter) {
  if (unfolded.has(column)) unfolded.delete(column);
  else unfolded.add(column);
  onChange(filter);
}

function drawOption(option, single, name, onChoose) {
  const id = freshId("option");
  return h(
    "div",
    { class: "ws-option" },
    h("input", { id, name, type: single ? "radio" : "checkbox", checked: option.checked, onchange: onChoose }),
    h("label", { for: id }, h("span", { class: "ws-value" }, option.label), h("span", { class: "ws-count" }, option.count.toLocaleString())),
  );
}

function valueOptions(facet, chosen) {
  const wanted = chosen && typeof chosen === "object" ? (chosen.in ?? []) : chosen === undefined ? [] : [chosen];
  const options = facet.values.map(({ value, count }) => ({ value, count, label: show(value), checked: wanted.includes(value) }));
  for (const value of wanted) {
    if (!options.some((option) => option.value === value)) options.push({ value, count: 0, label: show(value), checked: true });
  }
  return options;
}

function rangeOptions(facet, chosen) {
  const options = facet.ranges.map((range) => {
    const test = {};
    if (range.from !== null) test.gte = range.from;
    if (range.to !== null) test.lt = range.to;
    return { test, count: range.count, label: range.label, checked: same(test, chosen) };
  });
  if (chosen !== undefined && !options.some((option) => option.checked)) {
    options.unshift({ test: chosen, count: 0, label: "chosen", checked: true });
  }
  return options;
}

function same(test, chosen) {
  return Boolean(chosen) && typeof chosen === "object" && test.gte === chosen.gte && test.lt === chosen.lt;
}

function change(filter, facet, options, option, single) {
  if (single) return { ...filter, [facet.column]: option.test };
  const wanted = options.filter((one) => (one === option ? !one.checked : one.checked)).map((one) => one.value);
  return wanted.length ? { ...filter, [facet.column]: { in: wanted } } : without(filter, facet.column);
}

export function without(filter, column) {
  const next = { ...filter };
  delete next[column];
  return next;
}

export function describeCondition(column, test) {
  if (test === null || typeof test !== "object") return `${label(column)}: ${show(test)}`;
  if (test.in) return `${label(column)}: ${test.in.map(show).join(", ")}`;
  if (test.gte !== undefined && test.lt !== undefined) return `${label(column)}: ${test.gte} to ${test.lt}`;
  if (test.gte !== undefined) return `${label(column)}: from ${test.gte}`;
  if (test.lt !== undefined) return `${label(column)}: under ${test.lt}`;
  return `${label(column)}: filtered`;
}

export function label(column) {
  const words = column.replace(/([a-z])([A-Z])/g, "$1 $2").replaceAll("_", " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function show(value) {
  return { true: "yes", false: "no" }[String(value)] ?? String(value);
}
