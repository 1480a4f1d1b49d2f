// <ws-compare>: similarity of images and texts as a heat map, and how much the wording of a text matters.

import "../forms/image-picker.js";
import { h, icon } from "../dom.js";
import { append, button, count, kept, radios, refill } from "../forms/elements.js";
import { download, toCsv } from "../forms/csv.js";
import { heatMap } from "./heat-map.js";
import { readScale } from "./scale.js";
import { Judged } from "./judged.js";
import { softmax, Vectors } from "./vectors.js";
import { WordingSpread } from "./wording-spread.js";

const MEASURES = [["cosine", "Cosine similarity"], ["probability", "Which text fits"], ["alone", "Is the text true"]];
const MOST_TEXTS = 200;

class Compare extends HTMLElement {
  connectedCallback() {
    if (this.built) return;
    this.built = true;
    this.vectors = new Vectors();
    this.judged = new Judged();
    this.texts = kept.read("compare.texts", []);
    this.measure = kept.read("compare.measure", "cosine");
    this.picker = h("ws-image-picker", { keep: "compare.images" });
    this.told = h("p", { class: "tb-told", role: "status" });
    this.fault = h("p", { class: "tb-fault", role: "alert" });
    this.retry = button("Try again", () => this.#update(), { hidden: true });
    this.map = h("div", {});
    this.spread = new WordingSpread(this.vectors);
    const choice = radios("Show", MEASURES, this.measure, (value) => {
      this.measure = value;
      kept.write("compare.measure", value);
      this.#update();
    });
    this.save = button("Download CSV", () => this.#save());
    this.tools = h("div", { class: "tb-row tb-between", hidden: true }, choice, this.save);
    this.empty = h("p", { class: "tb-empty" }, "Choose images and type texts: the table shows how well each fits each.");
    this.output = h("section", { class: "tb-output", "aria-label": "Similarity" }, this.empty, this.tools, this.map,
      this.spread.element);
    append(this, [h("div", { class: "tb-columns" },
      h("div", { class: "tb-form" }, this.picker, this.#textField(), this.told, this.fault, this.retry), this.output)]);
    this.picker.addEventListener("change", () => this.#update());
    this.#update();
  }

  #textField() {
    this.list = h("ul", { class: "tb-texts", "aria-label": "Texts" });
    this.input = h("input", { id: "tb-compare-text", type: "text", autocomplete: "off",
      placeholder: "a photo of a cat", "aria-describedby": "tb-compare-hint" });
    const form = h("form", { class: "tb-row tb-nowrap" }, this.input, h("button", { class: "ws-button" }, "Add"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#addTexts(this.input.value);
    });
    this.input.addEventListener("paste", (event) => {
      const text = event.clipboardData.getData("text");
      if (!text.trim().includes("\n")) return;
      event.preventDefault();
      this.#addTexts(text);
    });
    this.#listTexts();
    return h("fieldset", { class: "tb-plain" }, h("legend", {}, "Texts"),
      h("div", { class: "tb-field" }, h("label", { for: "tb-compare-text", class: "ws-hidden" }, "Text to add"), form,
        h("p", { class: "tb-hint", id: "tb-compare-hint" }, "Enter adds it; several lines can be pasted at once.")),
      this.list);
  }

  #addTexts(given) {
    const fresh = [...new Set(given.split("\n").map((text) => text.trim()).filter(Boolean))]
      .filter((text) => !this.texts.includes(text));
    this.input.value = "";
    if (!fresh.length) return;
    const taken = fresh.slice(0, MOST_TEXTS - this.texts.length);
    this.fault.textContent = taken.length < fresh.length ? `${MOST_TEXTS} texts are the most that fit the table.` : "";
    this.#setTexts([...this.texts, ...taken]);
  }

  #setTexts(texts) {
    this.texts = texts;
    kept.write("compare.texts", texts);
    this.#listTexts();
    this.#update();
  }

  #listTexts() {
    refill(this.list, this.texts.map((text, i) => h("li", {}, h("span", {}, text),
      button(icon("cross"), () => {
        this.#setTexts(this.texts.filter((other) => other !== text));
        (this.list.children[Math.min(i, this.texts.length - 1)]?.querySelector("button") ?? this.input).focus();
      }, { class: "tb-remove", "aria-label": `Remove ${text}` }))));
  }

  /** Have the vectors that are missing, and draw; what was asked for before is left. */
  async #update() {
    this.running?.abort();
    const running = new AbortController();
    this.running = running;
    const { images } = this.picker;
    this.retry.hidden = true;
    this.fault.textContent = "";
    if (!images.length || !this.texts.length) {
      this.told.textContent = "";
      this.#draw();
      return;
    }
    try {
      const options = { signal: running.signal,
        onWait: () => { this.told.textContent = "The server is busy; waiting…"; },
        onProgress: (done, total) => { this.told.textContent = `${done} of ${count(total, "image")} read`; } };
      this.told.textContent = "Comparing…";
      this.scale = await readScale();
      await this.vectors.addTexts(this.texts, options);
      await this.vectors.addImages(images, options);
      if (this.measure === "alone") await this.judged.add(this.#readable(), this.texts, options);
      this.#draw();
      this.told.textContent = this.#notes(images);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.told.textContent = "";
      this.fault.textContent = error.message;
      this.retry.hidden = false;
    }
  }

  #notes(images) {
    const failed = images.filter((image) => this.vectors.failed.has(image.key));
    const cut = this.texts.filter((text) => this.vectors.truncated.has(text));
    return [
      `${count(images.length - failed.length, "image")} and ${count(this.texts.length, "text")} compared.`,
      ...failed.slice(0, 3).map((image) => this.vectors.failed.get(image.key)),
      failed.length > 3 ? `${failed.length - 3} more images cannot be read.` : "",
      ...cut.map((text) => `Of “${text.slice(0, 30)}…”, the model does not read the last `
        + `${count(this.vectors.truncated.get(text), "token")}.`),
    ].filter(Boolean).join(" ");
  }

  #draw() {
    const images = this.#readable().filter((image) => this.measure !== "alone" || this.judged.knows(image));
    const texts = this.texts.filter((text) => this.vectors.texts.has(text));
    const some = Boolean(images.length && texts.length);
    this.empty.hidden = some;
    this.tools.hidden = !some;
    this.map.hidden = !some;
    this.spread.show(some ? images : [], texts);
    if (!some) return;
    this.shown = { images, texts, values: this.#values(images, texts) };
    refill(this.map, heatMap(this.shown, this.measure));
  }

  #readable() {
    return this.picker.images.filter((image) => this.vectors.images.has(image.key));
  }

  /** Values by text and image. */
  #values(images, texts) {
    if (this.measure === "alone") return this.judged.values(texts, images);
    const cosines = this.vectors.cosines(texts, images);
    if (this.measure === "cosine") return cosines;
    const byImage = images.map((_, i) => softmax(cosines.map((row) => row[i]), this.scale));
    return texts.map((_, t) => byImage.map((column) => column[t]));
  }

  #save() {
    const { images, texts, values } = this.shown;
    const rows = texts.map((text, t) => [text, ...values[t].map((value) => Number(value.toFixed(6)))]);
    download(`${this.measure}.csv`, toCsv([["text", ...images.map((image) => image.name)], ...rows]));
  }
}

customElements.define("ws-compare", Compare);
