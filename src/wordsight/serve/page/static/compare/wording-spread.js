// How much the wording of a text matters: the range of its cosines over templates, for each image.

import { h } from "../dom.js";
import { count, refill, scrolling } from "../forms/elements.js";
import { imageHead, writeCosine } from "./heat-map.js";
import { TemplateChoice } from "../forms/template-choice.js";
import { dot } from "./vectors.js";

const SET = "imagenet-7";

export class WordingSpread {
  constructor(vectors) {
    this.vectors = vectors;
    this.choice = new TemplateChoice("compare.templates", SET);
    this.told = h("p", { class: "tb-told", role: "status" });
    this.place = h("div", {});
    this.element = h("details", { class: "tb-spread", hidden: true }, h("summary", {}, "Wording sensitivity"),
      h("div", { class: "tb-stack" }, h("p", { class: "tb-hint" }, "The same text said in other ways: how far its similarity to each image moves. "
        + "A short bar means that the wording hardly matters; the stroke is the mean."),
      h("div", { class: "tb-narrow" }, this.choice.element), this.told, this.place));
    this.element.addEventListener("toggle", () => this.#update());
    this.choice.onchange = () => this.#update();
  }

  /** Show it for images and texts that have vectors. */
  show(images, texts) {
    this.images = images;
    this.texts = texts;
    this.element.hidden = !images.length;
    this.#update();
  }

  async #update() {
    if (!this.element.open || this.element.hidden) return;
    this.running?.abort();
    this.running = new AbortController();
    const { signal } = this.running;
    const { images, texts } = this;
    try {
      await this.choice.load();
      const { templates } = this.choice;
      this.told.textContent = "Asking in other words…";
      const wordings = texts.map((text) => [...new Set(templates.map((template) => template.replaceAll("{}", text)))]);
      await this.vectors.addTexts(wordings.flat(), { signal });
      if (signal.aborted) return;
      this.told.textContent = `${count(templates.length, "wording")} of each text.`;
      refill(this.place, this.#table(images, texts, wordings));
    } catch (error) {
      if (error.name !== "AbortError") this.told.textContent = error.message;
    }
  }

  #table(images, texts, wordings) {
    const rows = texts.map((text, t) => {
      const scores = wordings[t].map((wording) => images.map((image) =>
        dot(this.vectors.texts.get(wording), this.vectors.images.get(image.key))));
      const cells = images.map((image, i) => summarise(scores.map((row) => row[i])));
      return { text, cells, ends: ends(wordings[t], scores) };
    });
    const all = rows.flatMap((row) => row.cells);
    const scale = [Math.min(...all.map((cell) => cell.least)), Math.max(...all.map((cell) => cell.most))];
    const caption = "Range of cosines over wordings";
    return scrolling(caption, h("table", { class: "tb-heat tb-ranges" }, h("caption", { class: "ws-hidden" }, caption),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Text"), ...images.map(imageHead),
        h("th", { scope: "col" }, "Fits best and least, said as"))),
      h("tbody", {}, ...rows.map(({ text, cells, ends: [best, worst] }) => h("tr", {}, h("th", { scope: "row" }, text),
        ...cells.map((cell) => rangeCell(cell, scale)),
        h("td", { class: "tb-said" }, h("div", {}, best), h("div", { class: "ws-faint" }, worst)))))));
  }
}

/** Wordings with the highest and the lowest mean score over images. */
function ends(wordings, scores) {
  const means = scores.map((row) => row.reduce((a, b) => a + b, 0));
  return [wordings[means.indexOf(Math.max(...means))], wordings[means.indexOf(Math.min(...means))]];
}

function summarise(numbers) {
  return { least: Math.min(...numbers), most: Math.max(...numbers),
    mean: numbers.reduce((a, b) => a + b, 0) / numbers.length };
}

function rangeCell({ least, most, mean }, [from, to]) {
  const place = (value) => (to > from ? (100 * (value - from)) / (to - from) : 50).toFixed(1);
  const write = (value) => writeCosine(value, 2);
  return h("td", {}, h("span", { class: "tb-range", "aria-hidden": "true",
    style: `--from: ${place(least)}%; --to: ${place(most)}%; --at: ${place(mean)}%` }),
    h("span", { class: "tb-range-text" }, `${write(least)} to ${write(most)}`));
}
