// A dialog for choosing items of a gallery.

import { freshId, h } from "../dom.js";
import { button, count, refill } from "./elements.js";
import { listGalleries, post } from "./requests.js";

const PAGE = 24;

/** Items that a person chooses: [{id, gallery, name, thumb}]; none where the dialog is closed. host: it is put there. */
export function pickFromGallery(host) {
  return new Promise((resolve) => {
    const dialog = new GalleryDialog(resolve);
    host.append(dialog.element);
    dialog.open();
  });
}

class GalleryDialog {
  constructor(resolve) {
    this.chosen = new Map();
    this.cursor = null;
    const title = freshId();
    this.words = h("input", { type: "search", id: freshId(), autocomplete: "off" });
    this.select = h("select", { id: freshId() });
    this.select.addEventListener("change", () => this.search());
    this.told = h("p", { class: "tb-told", role: "status" });
    this.grid = h("ul", { class: "tb-pick-grid" });
    this.more = button("Show more", () => this.load(), { class: "ws-button ws-quiet", hidden: true });
    this.take = button("Add", () => this.element.close("add"), { class: "ws-button ws-primary", disabled: true });
    const form = h("form", { class: "tb-row", role: "search" },
      h("div", { class: "tb-field" }, h("label", { for: this.select.id }, "Gallery"), this.select),
      h("div", { class: "tb-field tb-wide" }, h("label", { for: this.words.id }, "Words"), this.words),
      h("button", { class: "ws-button" }, "Find"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.search();
    });
    this.element = h("dialog", { class: "ws-dialog tb-dialog", "aria-labelledby": title },
      h("h2", { id: title }, "Images of the gallery"), form, this.told,
      h("div", { class: "tb-pick-scroll" }, this.grid, this.more),
      h("div", { class: "tb-row tb-end" }, button("Cancel", () => this.element.close()), this.take));
    this.element.addEventListener("close", () => {
      this.element.remove();
      resolve(this.element.returnValue === "add" ? [...this.chosen.values()] : []);
    });
  }

  async open() {
    this.element.showModal();
    this.words.focus();
    try {
      const galleries = await listGalleries();
      refill(this.select, galleries.map((one) => h("option", { value: one.name }, one.name)));
      if (galleries.length) await this.search();
      else this.told.textContent = "This server has no gallery; use images of your own.";
    } catch (error) {
      this.told.textContent = error.message;
    }
  }

  async search() {
    this.cursor = null;
    this.grid.replaceChildren();
    await this.load();
  }

  async load() {
    this.told.textContent = "Looking…";
    const gallery = this.select.value;
    try {
      const answer = await post("/v1/search", {
        gallery, text: this.words.value, limit: PAGE, ...(this.cursor ? { cursor: this.cursor } : {}),
      });
      const first = this.grid.children.length;
      for (const hit of answer.hits) this.grid.append(this.card(hit, gallery));
      this.cursor = answer.cursor;
      this.more.hidden = !answer.cursor;
      this.told.textContent = this.grid.children.length ? "" : "Nothing is found.";
      if (first) this.grid.children[first]?.querySelector("input").focus();
    } catch (error) {
      this.told.textContent = error.message;
    }
  }

  card(hit, gallery) {
    const item = { id: hit.id, gallery, name: hit.name || hit.alt || hit.id, thumb: hit.thumb };
    const key = `${gallery}/${hit.id}`;
    const input = h("input", { type: "checkbox", id: freshId(), checked: this.chosen.has(key) });
    input.addEventListener("change", () => {
      if (input.checked) this.chosen.set(key, item);
      else this.chosen.delete(key);
      this.take.disabled = !this.chosen.size;
      this.take.textContent = this.chosen.size ? `Add ${count(this.chosen.size, "image")}` : "Add";
    });
    return h("li", {}, input, h("label", { for: input.id },
      h("img", { src: hit.thumb, alt: "", loading: "lazy" }), h("span", { class: "tb-name" }, item.name)));
  }
}
