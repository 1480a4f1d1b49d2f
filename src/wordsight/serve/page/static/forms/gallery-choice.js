// A field for choosing one of the server's galleries.

import { h } from "../dom.js";
import { count, field, kept } from "./elements.js";
import { listGalleries } from "./requests.js";

/** Field of the galleries; `key` is the name under which the choice is kept. */
export class GalleryChoice {
  constructor(key) {
    this.key = key;
    this.galleries = [];
    this.select = h("select", {});
    this.onchange = () => {};
    this.element = field("Gallery", this.select);
    this.select.addEventListener("change", () => {
      kept.write(key, this.select.value);
      this.onchange();
    });
  }

  /** Galleries of the server; asked for again with `fresh`. Throws: ApiError. */
  async load(fresh = false) {
    this.galleries = await listGalleries(fresh);
    const before = this.select.value || kept.read(this.key, "");
    this.select.replaceChildren(...this.galleries.map((one) =>
      h("option", { value: one.name }, `${one.name} (${one.error ? "cannot be opened" : count(one.images, "image")})`)));
    if (this.galleries.some((one) => one.name === before)) this.select.value = before;
    return this.galleries;
  }

  /** The chosen gallery, or undefined. */
  get chosen() {
    return this.galleries.find((one) => one.name === this.select.value);
  }
}
