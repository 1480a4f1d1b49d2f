// A matrix of texts and images as a table with coloured cells and a legend.

import { cellStyle, gradient } from "./colours.js";
import { h, percent } from "../dom.js";
import { scrolling } from "../forms/elements.js";
import { thumbnail } from "../forms/image-picker.js";
import { argmax } from "./vectors.js";

const CAPTIONS = {
  cosine: "Cosine similarity of each text and image",
  probability: "Probability of each text, of those in the table, by image",
  alone: "Probability that each text is true of each image",
};

/** Table of values by text and image. measure: "cosine", "probability" or "alone"; the best text of each image is marked. */
export function heatMap({ images, texts, values }, measure) {
  const [least, most] = range(values, measure);
  const best = images.map((_, i) => argmax(values.map((row) => row[i])));
  const write = writer(measure);
  const cells = (row, t) => row.map((value, i) => h("td", {
    style: cellStyle(most > least ? (value - least) / (most - least) : 0.5),
    class: best[i] === t && texts.length > 1 ? "tb-best" : null,
  }, write(value), best[i] === t && texts.length > 1 ? h("span", { class: "ws-hidden" }, " best text of the image") : null));
  const element = h("table", { class: "tb-heat" },
    h("caption", { class: "ws-hidden" }, CAPTIONS[measure]),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Text"), ...images.map(imageHead))),
    h("tbody", {}, ...texts.map((text, t) => h("tr", {}, h("th", { scope: "row" }, text), ...cells(values[t], t)))));
  return h("div", { class: "tb-stack" }, scrolling(CAPTIONS[measure], element), legend(least, most, write));
}

/** Head of a column: the image, with its name for those who do not see it. */
export function imageHead(image) {
  return h("th", { scope: "col", title: image.name }, thumbnail(image, image.name));
}

function range(values, measure) {
  if (measure !== "cosine") return [0, 1];
  return [Math.min(...values.flat()), Math.max(...values.flat())];
}

function writer(measure) {
  return measure !== "cosine" ? percent : (value) => writeCosine(value, 3);
}

/** Cosine with a number of decimals; never "−0.00". */
export function writeCosine(value, decimals) {
  return (Number(value.toFixed(decimals)) || 0).toFixed(decimals).replace("-", "−");
}

function legend(least, most, write) {
  const ends = write === percent ? ["0%", "100%"] : [write(least), write(most)];
  return h("p", { class: "tb-legend" }, h("span", {}, ends[0]),
    h("span", { class: "tb-legend-bar", style: gradient(), "aria-hidden": "true" }), h("span", {}, ends[1]),
    h("span", { class: "tb-legend-best" }, "outlined: best text of the image"));
}
