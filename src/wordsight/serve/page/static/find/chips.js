// The parts of a query: each can be removed, and weighted where there are several.

import { h, icon } from "../dom.js";
import { describeCondition, without } from "./conditions.js";
import { countParts, decodeKey, emptyQuery, mark, WEIGHTS } from "./query.js";

const SIGNS = { 0.5: "×½", 1: "×1", 2: "×2", 3: "×3" };

// known: key → hit, of items that were shown. onChange(query).
export function drawChips(query, gallery, known, onChange) {
  const weighted = countParts(query) > 1;
  const list = (name, describe, remove) => query[name].map((part) => {
    const { kind, text, image, note } = describe(part);
    return drawChip({ kind, text, image, note, negative: name === "unlike" || name === "not", weight: weighted ? part.weight : null,
      onWeight: (weight) => onChange({ ...query, [name]: query[name].map((one) => (one === part ? { ...one, weight } : one)) }),
      onRemove: () => onChange(remove(part)) });
  });
  const rest = (name) => (part) => ({ ...query, [name]: query[name].filter((one) => one !== part) });
  const item = (kind) => ({ key }) => ({ kind, text: nameItem(key, known), image: thumbOf(key, gallery, known) });
  const chips = [
    ...list("images", ({ name, uri }) => ({ kind: "like", text: name, image: uri, note: "not in the link" }), rest("images")),
    ...list("like", item("more like"), ({ key }) => mark(query, key, "like")),
    ...list("unlike", item("less like"), ({ key }) => mark(query, key, "unlike")),
    ...list("not", ({ text }) => ({ kind: "not", text }), rest("not")),
    ...Object.entries(query.filter).map(([column, test]) =>
      drawChip({ text: describeCondition(column, test), weight: null, onRemove: () => onChange({ ...query, filter: without(query.filter, column) }) })),
  ];
  if (query.q && (chips.length || query.weight !== 1)) {
    chips.unshift(drawChip({ text: `“${query.q}”`, weight: weighted || query.weight !== 1 ? query.weight : null,
      onWeight: (weight) => onChange({ ...query, weight }), onRemove: () => onChange({ ...query, q: "", weight: 1 }) }));
  }
  if (chips.length > 1) chips.push(h("li", {}, h("button", { type: "button", class: "ws-link", onclick: () => onChange(emptyQuery(query.gallery)) }, "Start again")));
  return chips;
}

function drawChip({ kind, text, image, note, negative, weight, onWeight, onRemove }) {
  const whole = kind ? `${kind} ${text}` : text;
  return h("li", { class: `find-chip${negative ? " find-negative" : ""}` },
    image ? h("img", { src: image, alt: "", width: 28, height: 28 }) : null,
    h("span", { class: "find-chip-text", title: whole }, kind ? h("span", { class: "find-chip-kind" }, `${kind} `) : null, text),
    note ? h("span", { class: "find-chip-note" }, `(${note})`) : null,
    weight === null ? null : h("select", { "aria-label": `Weight of: ${whole}`, title: "How much it counts", onchange: (event) => onWeight(Number(event.target.value)) },
      WEIGHTS.map((one) => h("option", { value: String(one), selected: one === weight }, SIGNS[one]))),
    h("button", { type: "button", "aria-label": `Remove: ${whole}`, title: "Remove", onclick: onRemove }, icon("cross")));
}

function nameItem(key, known) {
  const hit = known.get(key);
  return hit ? hit.title.text : decodeKey(key).split(/[/\\#]/).pop();
}

function thumbOf(key, gallery, known) {
  return `${known.get(key)?.thumb ?? `/thumb/${encodeURIComponent(key)}?gallery=${encodeURIComponent(gallery)}`}&size=160`;
}
