// What each template does to the answers: how many would be others with this template alone.

import { h, percent } from "../dom.js";
import { toRequest } from "./classes.js";
import { button, count, refill, table } from "../forms/elements.js";
import { post } from "../forms/requests.js";
import { batches } from "../forms/batches.js";

const NAMED = 3; // images named in a row

export class TemplateEffect {
  constructor() {
    this.button = button("Effect of each template", () => this.#run());
    this.told = h("p", { class: "tb-told", role: "status" });
    this.place = h("div", {});
    this.element = h("div", { class: "tb-effect", hidden: true }, this.button, this.told, this.place);
  }

  hide() {
    this.running?.abort();
    this.element.hidden = true;
    this.element.append(this.told, this.place);
    this.place.replaceChildren();
    this.told.textContent = "";
  }

  /** Offer it for a question with more than one template. */
  offer(question, images) {
    this.question = question;
    this.images = images;
    this.button.hidden = false;
    this.element.hidden = question.templates.length < 2 || question.classes.size < 2 || !images.length;
  }

  async #run() {
    this.running = new AbortController();
    const { signal } = this.running;
    this.button.hidden = true;
    this.told.tabIndex = -1;
    this.told.focus();
    this.told.textContent = "Asking with each template…";
    try {
      const rows = new Map(this.question.templates.map((template) => [template, { template, changed: [], sum: 0 }]));
      let done = 0;
      for (const group of batches(this.images)) {
        this.#count(group, await this.#ask(group, signal), rows);
        done += group.length;
        this.told.textContent = `${done} of ${count(this.images.length, "image")}`;
      }
      this.#show([...rows.values()]);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.told.textContent = error.message;
      this.button.hidden = false;
    }
  }

  async #ask(group, signal) {
    const { classes, templates } = this.question;
    const images = await Promise.all(group.map((image) => image.toInput()));
    const body = { images, classes: toRequest(classes), templates, none: false, effect: true, top: 1 };
    return post("/v1/classify", body, { signal });
  }

  #count(group, { answers, effect }, rows) {
    for (const { template, answers: alone } of effect) {
      const row = rows.get(template);
      alone.forEach(({ label, probability }, i) => {
        row.sum += probability;
        if (label !== answers[i].label) row.changed.push([group[i].name, answers[i].label, label]);
      });
    }
  }

  #show(rows) {
    const number = this.images.length;
    rows.sort((a, b) => b.changed.length - a.changed.length || a.sum - b.sum);
    this.told.textContent = "Answers with one template alone, compared with those of all templates together; "
      + "“none of these” is left out here.";
    refill(this.place, h("details", { open: true }, h("summary", {}, "Effect of each template"), this.told, table("Effect of each template",
      ["Template", "Other answers", "Mean probability", "What becomes what"],
      rows.map(({ template, changed, sum }) => [template,
        h("span", { class: "tb-share", style: `--p: ${(changed.length / number).toFixed(4)}` },
          `${changed.length} of ${number}`),
        percent(sum / number), changed.length ? list(changed) : "–"]))));
  }
}

function list(changed) {
  const lines = changed.map(([name, before, after]) => h("li", {}, `${name}: ${before} → ${after}`));
  if (lines.length <= NAMED) return h("ul", { class: "tb-lines" }, ...lines);
  return h("details", {}, h("summary", {}, count(lines.length, "image")), h("ul", { class: "tb-lines" }, ...lines));
}
