// Answers of a sorting: cards with bars, a filter by class, the effect of templates, CSV.

import { csvRows } from "./rows.js";
import { download, toCsv } from "../forms/csv.js";
import { h, percent } from "../dom.js";
import { append, button, count, refill } from "../forms/elements.js";
import { thumbnail } from "../forms/image-picker.js";
import { TemplateEffect } from "./effect.js";

const BARS = 4; // classes shown on a card at once, the first one and those that are not improbable
const IMPROBABLE = 0.01;
const NONE = "none of these";

export class SortResults {
  constructor() {
    this.cards = h("ul", { class: "tb-cards" });
    this.filter = h("fieldset", { class: "tb-chips", hidden: true });
    this.save = button("Download CSV", () => this.#save(), { hidden: true });
    this.effect = new TemplateEffect();
    this.empty = h("p", { class: "tb-empty" }, "The answers will be here: each image with its most probable class.");
    this.element = h("section", { "aria-label": "Answers" }, this.empty,
      h("div", { class: "tb-row tb-between" }, this.filter, this.save), this.effect.element, this.cards);
    this.answers = [];
  }

  /** Make ready for the answers to a question: {classes, templates, none}. */
  start(question, images) {
    this.question = question;
    this.images = images;
    this.answers = [];
    this.chosen = null;
    this.cards.replaceChildren();
    this.empty.hidden = true;
    this.filter.hidden = true;
    this.save.hidden = true;
    this.effect.hide();
  }

  /** Add the API's answer about some images. */
  add(group, answer) {
    const read = readAnswers(answer);
    group.forEach((image, i) => {
      const one = { image, ...read[i] };
      this.answers.push(one);
      this.cards.append(card(one));
    });
  }

  /** Show what there is to do with all answers. */
  finish() {
    this.#offerFilter();
    this.save.hidden = false;
    const readable = this.answers.filter((one) => !one.fault).map((one) => one.image);
    this.effect.offer(this.question, readable);
  }

  /** One sentence about all answers. */
  get summary() {
    const failed = this.answers.filter((one) => one.fault).length;
    const sorted = this.answers.length - failed;
    return `${count(sorted, "image is", "images are")} sorted.${failed ? ` ${failed} could not be read.` : ""}`;
  }

  #offerFilter() {
    const counts = new Map();
    for (const one of this.answers) counts.set(one.label, (counts.get(one.label) ?? 0) + 1);
    const labels = [...this.question.classes.keys(), NONE, null].filter((label) => counts.has(label));
    const chip = (value, text, checked) => {
      const input = h("input", { type: "radio", name: "tb-class", checked, id: `tb-chip-${value}` });
      input.addEventListener("change", () => this.#show(value));
      return h("span", { class: "tb-chip" }, input, h("label", { for: input.id }, text));
    };
    refill(this.filter, h("legend", { class: "ws-hidden" }, "Show the images of"),
      chip("all", `All ${this.answers.length}`, true),
      labels.map((label, i) => chip(i, `${label ?? "not readable"} ${counts.get(label)}`, false)));
    this.labels = labels;
    this.filter.hidden = false;
  }

  #show(place) {
    [...this.cards.children].forEach((element, i) => {
      element.hidden = place !== "all" && this.answers[i].label !== this.labels[place];
    });
  }

  #save() {
    download("sorted.csv", toCsv(csvRows(this.answers)));
  }
}

/** Answers of `/v1/classify`: label, and probabilities as [label, probability], the most probable first. */
export function readAnswers(answer) {
  return answer.answers.map((one) => {
    if (one.error) return { label: null, proba: [], fault: `The image ${one.error}.` };
    return { label: one.label, proba: one.top.map(({ label, probability }) => [label, probability]), fault: null };
  });
}

/** Bars of probabilities: [label, probability], the most probable first. */
export function bars(proba, label) {
  return h("ol", { class: "tb-bars" }, proba.map(([name, p]) =>
    h("li", { class: name === label ? "tb-best" : null, style: `--p: ${p.toFixed(4)}` },
      h("span", { class: "tb-bar-name", title: name }, name),
      h("span", { class: "tb-bar", "aria-hidden": "true" }), h("span", { class: "tb-bar-p" }, percent(p)))));
}

function card({ image, label, proba, fault }) {
  const body = h("div", { class: "tb-card-body" }, h("p", { class: "tb-name", title: image.name }, image.name));
  if (fault) append(body, [h("p", { class: "tb-fault" }, fault)]);
  const shown = proba.filter(([, p], i) => i === 0 || (i < BARS && p >= IMPROBABLE)).length;
  if (shown) append(body, [bars(proba.slice(0, shown), label)]);
  if (proba.length > shown) {
    append(body, [h("details", {}, h("summary", {}, `${proba.length - shown} more`), bars(proba.slice(shown), label))]);
  }
  return h("li", { class: "tb-card" }, thumbnail(image, ""), body);
}
