// <ws-sort>: images sorted by words: probabilities, "none of these", the effect of templates, CSV.

import "../forms/image-picker.js";
import { readClasses, toRequest } from "./classes.js";
import { h } from "../dom.js";
import { append, button, count, field, kept, radios, remember, switchField } from "../forms/elements.js";
import { post } from "../forms/requests.js";
import { findSortFolder, SortFolder } from "./folder.js";
import { SortResults } from "./results.js";
import { TemplateChoice } from "../forms/template-choice.js";
import { batches } from "../forms/batches.js";

const EXAMPLE = "cat\ndog\nbird: bird, parrot, owl";

class Sort extends HTMLElement {
  connectedCallback() {
    if (this.built) return;
    this.built = true;
    this.picker = h("ws-image-picker", { keep: "sort.images" });
    this.classes = h("textarea", { rows: 6, spellcheck: "false", placeholder: EXAMPLE });
    remember(this.classes, "sort.classes");
    this.choice = new TemplateChoice("sort.templates");
    this.choice.load();
    this.none = switchField("“None of these” is an answer", true);
    remember(this.none.input, "sort.none");
    this.go = h("button", { class: "ws-button ws-primary" }, "Sort");
    this.stop = button("Stop", () => this.running?.abort(), { hidden: true });
    this.told = h("p", { class: "tb-told", role: "status" });
    this.fault = h("p", { class: "tb-fault", role: "alert" });
    this.bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": "Images sorted" });
    this.results = new SortResults();
    this.where = h("div", {});
    this.form = h("form", { class: "tb-form", novalidate: true }, this.where, this.picker,
      field("Classes", this.classes, "One per line, or separated by commas. Wordings of a class: “bird: parrot, owl”."),
      this.choice.element, this.none.element,
      h("div", { class: "tb-row" }, this.go, this.stop), this.bar, this.told, this.fault);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.place === "folder") this.#sortFolder();
      else this.#sort();
    });
    this.picker.addEventListener("change", () => this.#label());
    this.output = h("div", { class: "tb-output" }, this.results.element);
    append(this, [h("div", { class: "tb-columns" }, this.form, this.output)]);
    this.#label();
    this.#offerFolder();
  }

  /** Offer the server's sort folder where it has one. */
  async #offerFolder() {
    const found = await findSortFolder();
    if (!found) return;
    this.folder = new SortFolder(found, (fault) => { this.fault.textContent = fault; });
    this.output.append(this.folder.element);
    const before = kept.read("sort.place", "images");
    append(this.where, [radios("What to sort", [["images", "Images of yours"],
      ["folder", `The folder ${found.name}`]], before, (value) => this.#choosePlace(value))]);
    this.#choosePlace(before);
  }

  #choosePlace(place) {
    this.place = place;
    kept.write("sort.place", place);
    this.picker.hidden = place === "folder";
    this.results.element.hidden = place === "folder";
    this.folder.element.hidden = place !== "folder";
    this.#label();
  }

  #label() {
    const images = this.picker.images.length;
    this.go.textContent = images ? `Sort ${count(images, "image")}` : "Sort";
    if (this.place === "folder") this.go.textContent = "Preview";
  }

  /** Classes, templates and "none" as the API takes them; null where something is to be changed first. */
  #question() {
    this.fault.textContent = "";
    this.told.textContent = "";
    try {
      const classes = readClasses(this.classes.value);
      return { classes, templates: this.choice.templates, none: this.none.input.checked };
    } catch (error) {
      this.fault.textContent = error.message;
      (error.message.includes("template") ? this.choice.element.querySelector("select") : this.classes).focus();
      return null;
    }
  }

  async #sort() {
    const { images } = this.picker;
    if (!images.length) {
      this.fault.textContent = "Choose at least one image first.";
      this.picker.querySelector("input").focus();
      return;
    }
    const question = this.#question();
    if (!question) return;
    await this.#run(async (options) => {
      this.results.start(question, images);
      let done = 0;
      for (const group of batches(images)) {
        await this.#classify(group, question, options);
        done += group.length;
        this.#progress(done, images.length);
      }
      this.results.finish();
      this.told.textContent = this.results.summary;
    });
  }

  async #classify(group, question, options) {
    const body = { images: await Promise.all(group.map((image) => image.toInput())),
      classes: toRequest(question.classes), templates: question.templates, none: question.none, top: question.classes.size + 1 };
    const answer = await post("/v1/classify", body, options);
    this.results.add(group, answer);
  }

  async #sortFolder() {
    const question = this.#question();
    if (!question) return;
    await this.#run(async (options) => {
      const body = { ...question, classes: toRequest(question.classes) };
      await this.folder.preview(body, (done, total) => this.#progress(done, total), options);
      this.told.textContent = this.folder.summary;
    });
  }

  /** Do something that takes a while: with Stop, progress, and faults told. */
  async #run(work) {
    this.running?.abort();
    const running = new AbortController();
    this.running = running;
    this.go.disabled = true;
    this.stop.hidden = false;
    this.bar.hidden = false;
    this.bar.removeAttribute("value");
    this.told.textContent = "Working…";
    try {
      await work({ signal: running.signal, onWait: (seconds) => {
        this.told.textContent = `The server is busy; asking again in ${Math.ceil(seconds)} s.`;
      } });
    } catch (error) {
      this.told.textContent = error.name === "AbortError" ? "Stopped." : "";
      if (error.name !== "AbortError") this.fault.textContent = error.message;
    } finally {
      this.go.disabled = false;
      this.stop.hidden = true;
      this.bar.hidden = true;
    }
  }

  #progress(done, total) {
    this.bar.max = total || 1;
    this.bar.value = done;
    this.told.textContent = `${done.toLocaleString("en")} of ${count(total, "image")}`;
  }
}

customElements.define("ws-sort", Sort);
