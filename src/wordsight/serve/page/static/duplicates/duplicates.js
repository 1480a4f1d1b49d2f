// <ws-duplicates>: near copies side by side; what to keep is marked, the list of the others saved. Nothing is deleted.

import { h } from "../dom.js";
import { append, button, count, fileSize, kept, refill } from "../forms/elements.js";
import { download, toCsv } from "../forms/csv.js";
import { duplicateGroup } from "./group.js";
import { GalleryChoice } from "../forms/gallery-choice.js";
import { post, watchJob } from "../forms/requests.js";

const SHOWN = 30; // groups at a time
const AT_ONCE = 200; // of an answer
const MOST = 2000;
const LEAST = 0.7;

class Duplicates extends HTMLElement {
  connectedCallback() {
    if (this.built) return;
    this.built = true;
    this.groups = [];
    this.choice = new GalleryChoice("duplicates.gallery");
    this.auto = h("input", { type: "checkbox", id: "tb-dup-auto", checked: kept.read("duplicates.auto", true) });
    this.slider = h("input", { type: "range", id: "tb-dup-threshold", min: LEAST, max: 1, step: 0.01 });
    this.slider.value = kept.read("duplicates.threshold", 0.9);
    this.value = h("output", { for: "tb-dup-threshold" });
    this.go = h("button", { class: "ws-button ws-primary" }, "Find duplicates");
    this.stop = button("Stop", () => this.running.abort(), { hidden: true });
    this.bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": "Images compared" });
    this.told = h("p", { class: "tb-told", role: "status" });
    this.fault = h("p", { class: "tb-fault", role: "alert" });
    this.list = h("div", { class: "tb-groups" });
    this.more = button("Show more groups", () => this.#showMore(), { hidden: true });
    this.summary = h("p", { class: "tb-summary", role: "status" });
    this.tools = h("div", { class: "tb-sticky", hidden: true }, this.summary, h("div", { class: "tb-row" },
      button("Save the others as text", () => this.#saveText()), button("Save as CSV", () => this.#saveCsv())));
    append(this, [h("div", { class: "tb-single" }, this.#form(), this.bar, this.told, this.fault, this.tools, this.list,
      this.more)]);
    this.auto.addEventListener("change", () => this.#label());
    this.slider.addEventListener("input", () => this.#label());
    this.#label();
    this.#open();
  }

  #form() {
    const form = h("form", { class: "tb-row tb-toolbar" }, this.choice.element,
      h("fieldset", { class: "tb-choices tb-threshold" }, h("legend", {}, "How close"),
        h("span", { class: "tb-choice" }, this.auto, h("label", { for: "tb-dup-auto" }, "As suits the gallery")),
        h("span", { class: "tb-choice" }, h("label", { for: "tb-dup-threshold" }, "Cosine from"), this.slider,
          this.value)),
      h("div", { class: "tb-row" }, this.go, this.stop));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#find();
    });
    return h("div", { class: "tb-form" },
      h("p", { class: "tb-hint" }, "Copies of the same image, side by side. Mark what to keep and save the list of the "
        + "others: nothing is deleted by this page."), form);
  }

  async #open() {
    try {
      const galleries = await this.choice.load();
      if (galleries.length) return;
      this.go.disabled = true;
      this.told.textContent = "This server has no gallery; start it with: wordsight serve --gallery FOLDER";
    } catch (error) {
      this.fault.textContent = error.message;
    }
  }

  #label() {
    this.slider.disabled = this.auto.checked;
    this.value.textContent = this.auto.checked ? "" : Number(this.slider.value).toFixed(2);
    kept.write("duplicates.auto", this.auto.checked);
    kept.write("duplicates.threshold", Number(this.slider.value));
  }

  async #find() {
    this.running?.abort();
    this.running = new AbortController();
    const { signal } = this.running;
    this.#busy(true);
    try {
      if (!this.choice.galleries.length) await this.choice.load(true);
      const gallery = this.choice.select.value;
      this.threshold = this.auto.checked ? null : Number(this.slider.value);
      this.groups = await this.#ask({ gallery, threshold: this.threshold }, signal);
      this.gallery = gallery;
      this.#show();
    } catch (error) {
      this.told.textContent = error.name === "AbortError" ? "Stopped." : "";
      if (error.name !== "AbortError") this.fault.textContent = error.message;
    } finally {
      this.#busy(false);
    }
  }

  /** All groups: of the answer, or of the job that it names, and of the answers after it. */
  async #ask(body, signal) {
    const groups = [];
    for (let cursor = null; ;) {
      let answer = await post("/v1/duplicates", { ...body, limit: AT_ONCE, cursor }, { signal });
      if (answer.job) answer = (await watchJob(answer.job, (state) => this.#worked(state), signal)).result;
      groups.push(...answer.groups);
      cursor = answer.cursor;
      this.left = answer.groups_total - groups.length;
      if (!cursor || groups.length >= MOST) return groups;
    }
  }

  #worked({ done, total }) {
    if (!total) return;
    this.bar.max = total;
    this.bar.value = done;
    this.told.textContent = `${done.toLocaleString("en")} of ${count(total, "image")} compared`;
  }

  #busy(busy) {
    this.go.disabled = busy;
    this.stop.hidden = !busy;
    this.bar.hidden = !busy;
    if (!busy) return;
    this.bar.removeAttribute("value");
    this.fault.textContent = "";
    this.told.textContent = "Comparing…";
    this.tools.hidden = true;
    this.more.hidden = true;
    this.list.replaceChildren();
  }

  #show() {
    const marks = kept.read(`duplicates.marks.${this.gallery}`, {});
    this.keep = new Map(this.groups.flatMap((group) =>
      group.items.map((item) => [item.id, marks[item.id] ?? item.keep])));
    this.tools.hidden = !this.groups.length;
    this.told.textContent = this.left > 0 ? `The largest ${this.groups.length} groups; ${this.left} more are left out.` : "";
    if (!this.groups.length) this.told.textContent = "There are no copies that are so close.";
    refill(this.list);
    this.#showMore();
    this.#count();
  }

  #showMore() {
    const start = this.list.children.length;
    const next = this.groups.slice(start, start + SHOWN);
    next.forEach((group, i) => this.list.append(duplicateGroup(group, start + i + 1, this.keep,
      (id, keep) => this.#mark(id, keep))));
    this.more.hidden = this.list.children.length >= this.groups.length;
    if (start) this.list.children[start]?.querySelector("input").focus();
  }

  #mark(id, keep) {
    this.keep.set(id, keep);
    kept.write(`duplicates.marks.${this.gallery}`, Object.fromEntries(this.keep));
    this.#count();
  }

  /** Items that are not to be kept, each with its group's number and what is kept there. */
  #others() {
    return this.groups.flatMap((group, i) => {
      const stays = group.items.filter((item) => this.keep.get(item.id)).map((item) => item.path);
      return group.items.filter((item) => !this.keep.get(item.id)).map((item) => ({ item, number: i + 1, stays }));
    });
  }

  #count() {
    const others = this.#others();
    const bytes = others.reduce((sum, { item }) => sum + (item.size ?? 0), 0);
    const bare = this.groups.filter((group) => !group.items.some((item) => this.keep.get(item.id))).length;
    this.summary.textContent = `${count(this.groups.length, "group")}; ${count(others.length, "image")} not kept, `
      + `${fileSize(bytes)}.${bare ? ` In ${count(bare, "group")} nothing is kept.` : ""}`;
  }

  #saveText() {
    download("duplicates.txt", this.#others().map(({ item }) => `${item.path}\n`).join(""), "text/plain");
  }

  #saveCsv() {
    const rows = this.#others().map(({ item, number, stays }) =>
      [number, item.path, item.size ?? "", item.width ?? "", item.height ?? "", stays.join("; ")]);
    download("duplicates.csv", toCsv([["group", "path", "bytes", "width", "height", "kept instead"], ...rows]));
  }
}

customElements.define("ws-duplicates", Duplicates);
