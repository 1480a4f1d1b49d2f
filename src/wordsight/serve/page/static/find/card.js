// One result in the grid: a button that opens it, and buttons to mark it.

import { h, icon, marked, percent } from "../dom.js";
import { isMarked } from "./query.js";

export const PERHAPS = 0.2;
const JUDGEMENTS = [
  [0.5, "likely"],
  [PERHAPS, "perhaps"],
  [0, "probably not"],
];
const SQUARE = [0.6, 1.7]; // aspects that a square shows well when it is filled

export function judge(probability) {
  return JUDGEMENTS.find(([least]) => probability >= least)[1];
}

// on: {open(hit), mark(key, how)}
export function drawCard(hit, query, on, eager) {
  const aspect = hit.width && hit.height ? hit.width / hit.height : 1;
  const fit = hit.page !== null ? "page" : aspect < SQUARE[0] || aspect > SQUARE[1] ? "whole" : "fill";
  const open = h("button", { type: "button", class: "find-open", tabIndex: -1, onclick: () => on.open(hit) },
    h("span", { class: "find-image-box" },
      h("img", { src: hit.thumb, alt: hit.alt, class: `find-${fit}`, loading: eager ? "eager" : "lazy", decoding: "async", width: 320, height: 320, draggable: true, onerror: showMissing, ondragstart: (event) => event.dataTransfer.setData("application/x-wordsight-key", hit.key) }),
      hit.page === null ? null : h("span", { class: "find-page", "aria-hidden": "true" }, `p. ${hit.page}`)),
    drawMeter(hit),
    h("span", { class: `find-title${hit.title.text === hit.name && !hit.snippet ? " find-name" : ""}`, title: hit.title.text, "aria-hidden": hit.alt === hit.title.text ? "true" : null }, marked(hit.title)), // not said twice
    hit.snippet ? h("span", { class: "find-snippet" }, marked(hit.snippet)) : drawDetails(hit));
  const card = h("li", { class: `find-card${hit.likely === false ? " find-unlikely" : ""}`, "data-key": hit.key }, open,
    h("div", { class: "find-tools" }, drawCopies(hit, on),
      drawMark("More like this", "plus", "like", hit, query, on),
      drawMark("Less like this", "minus", "unlike", hit, query, on)));
  return card;
}

function drawMark(label, sign, how, hit, query, on) {
  return h("button", { type: "button", class: "find-mark", title: label, "aria-label": `${label}: ${hit.title.text}`, "aria-pressed": String(isMarked(query, how, hit.key)), tabIndex: -1, onclick: () => on.mark(hit.key, how) }, icon(sign));
}

// Three details without the values that the title says already.
function drawDetails(hit) {
  const title = ` ${hit.title.text.toLowerCase()} `;
  const told = hit.details.filter(({ value }) => !title.includes(` ${value.text.toLowerCase()} `)).slice(0, 3);
  if (!told.length) return null;
  return h("span", { class: "find-details" }, told.map(({ name, value }) =>
    h("span", {}, h("span", { class: isSpoken(value) ? "ws-hidden" : "find-key" }, `${name} `), marked(value))));
}

// Whether a value says by itself what it is: words do, numbers and short codes do not.
function isSpoken({ text }) {
  return /\p{L}{3}/u.test(text);
}

export function drawMeter(hit) {
  if (hit.probability === null) return null;
  const bar = h("span", { class: "find-meter-bar", "aria-hidden": "true" });
  bar.style.setProperty("--share", String(hit.probability));
  return h("span", { class: "find-meter" }, bar, h("span", {}, h("b", {}, percent(hit.probability)), ` ${judge(hit.probability)}`));
}

// "+3 copies", which shows them in the card.
function drawCopies(hit, on) {
  const count = hit.copies?.length ?? 0;
  if (!count) return h("span", { class: "find-copies" });
  const list = h("ul", { class: "find-copy-list", "aria-label": "Near copies", hidden: true }, hit.copies.map((copy) =>
    h("li", {}, h("button", { type: "button", tabIndex: -1, title: copy.path, onclick: () => on.open({ ...copy, probability: hit.probability, copies: [] }, hit) },
      h("img", { src: `${copy.thumb}&size=160`, alt: copy.alt, width: 56, height: 56, loading: "lazy" })))));
  const button = h("button", { type: "button", class: "find-fold", tabIndex: -1, "aria-expanded": "false", onclick: () => {
    list.hidden = !list.hidden;
    button.setAttribute("aria-expanded", String(!list.hidden));
  } }, icon("copies"), `+${count} ${count === 1 ? "copy" : "copies"}`);
  return h("div", { class: "find-copies" }, button, list);
}

function showMissing(event) {
  event.target.closest(".find-image-box")?.classList.add("find-missing");
}
