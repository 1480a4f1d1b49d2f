// <ws-image-picker>: images by dropping, choosing or pasting files, or out of a gallery.
//
// `images` are those chosen; the event "change" tells that there are others. Each has: key, name, bytes (to send),
// url (to show), toInput() (what the API takes).

import { freshId, h, icon } from "../dom.js";
import { append, button, count, kept, refill } from "./elements.js";
import { droppedFiles } from "./dropped-files.js";
import { pickFromGallery } from "./gallery-dialog.js";

const MOST = 1000;

/** Image of a file. */
export function fileImage(file) {
  return {
    key: `${file.name}:${file.size}:${file.lastModified}`,
    name: file.name,
    bytes: Math.ceil((file.size * 4) / 3),
    url: URL.createObjectURL(file),
    toInput: async () => ({ image: await readBase64(file) }),
  };
}

/** Image of a gallery's item: {id, gallery, name, thumb}. */
export function itemImage(item) {
  return {
    key: `${item.gallery}/${item.id}`,
    name: item.name,
    bytes: 200,
    url: item.thumb,
    item,
    toInput: async () => ({ id: item.id, gallery: item.gallery }),
  };
}

function readBase64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new Error(`${file.name} cannot be read any more; choose it again.`));
    reader.readAsDataURL(file);
  });
}

/** Image that stands for itself; where the browser cannot show it, its name does. */
export function thumbnail(image, alt = image.name) {
  const shown = h("img", { class: "tb-thumb", src: image.url, alt, loading: "lazy", decoding: "async" });
  shown.addEventListener("error", () => {
    shown.replaceWith(h("span", { class: "tb-thumb tb-thumb-none" }, alt));
  }, { once: true });
  return shown;
}

class ImagePicker extends HTMLElement {
  images = [];

  connectedCallback() {
    document.addEventListener("paste", this.#paste);
    if (this.built) return;
    this.built = true;
    const input = h("input", { type: "file", multiple: true, accept: "image/*,.heic,.heif,.avif,.tif,.tiff",
      class: "ws-hidden", id: freshId(), "aria-describedby": freshId("told") });
    input.addEventListener("change", () => {
      this.addFiles([...input.files]);
      input.value = "";
    });
    this.told = h("p", { class: "tb-told", role: "status", id: input.getAttribute("aria-describedby") });
    this.list = h("ul", { class: "tb-picked" });
    this.clear = button("Remove all", () => this.#setImages([]), { class: "ws-link tb-clear", hidden: true });
    const zone = h("div", { class: "tb-drop" },
      h("p", {}, "Drop images or a folder here, or paste them."),
      h("div", { class: "tb-row" },
        input, h("label", { for: input.id, class: "ws-button" }, "Choose images"),
        button("From gallery", () => this.#pick(), { class: "ws-button tb-from-gallery" })));
    acceptDrops(zone, (files) => this.addFiles(files));
    append(this, [h("fieldset", { class: "tb-plain" }, h("legend", {}, "Images"), zone, this.told, this.list, this.clear)]);
    const before = this.getAttribute("keep") ? kept.read(this.getAttribute("keep"), []) : [];
    if (before.length) this.#setImages(before.map(itemImage));
  }

  disconnectedCallback() {
    document.removeEventListener("paste", this.#paste);
  }

  /** Add files that are images; others are named as such. */
  addFiles(files) {
    const others = files.filter((file) => file.type && !file.type.startsWith("image/"));
    this.#add(files.filter((file) => !others.includes(file) && file.size).map(fileImage), [
      ...others.map((file) => `${file.name} is not an image.`),
      ...files.filter((file) => !file.size).map((file) => `${file.name} is empty.`),
    ]);
  }

  #add(images, faults = []) {
    const known = new Set(this.images.map((image) => image.key));
    const fresh = images.filter((image) => !known.has(image.key) && known.add(image.key));
    const taken = fresh.slice(0, MOST - this.images.length);
    if (taken.length < fresh.length) faults.push(`More than ${MOST} images at a time are too many for a page.`);
    this.#setImages([...this.images, ...taken]);
    const shown = faults.slice(0, 3).join(" ");
    this.told.textContent = faults.length > 3 ? `${shown} And ${faults.length - 3} more.` : shown;
  }

  #setImages(images) {
    const stay = new Set(images);
    for (const image of this.images) if (!stay.has(image) && !image.item) URL.revokeObjectURL(image.url);
    this.images = images;
    this.told.textContent = "";
    this.clear.hidden = images.length < 2;
    refill(this.list, images.map((image) => h("li", {}, thumbnail(image, image.name),
      button(icon("cross"), () => this.#remove(image), { class: "tb-remove", "aria-label": `Remove ${image.name}` }))));
    if (this.getAttribute("keep")) {
      kept.write(this.getAttribute("keep"), images.filter((image) => image.item).map((image) => image.item));
    }
    this.dispatchEvent(new Event("change"));
  }

  #remove(image) {
    const place = this.images.indexOf(image);
    this.#setImages(this.images.filter((other) => other !== image));
    this.told.textContent = `${image.name} is removed; ${count(this.images.length, "image is", "images are")} left.`;
    const next = this.list.children[Math.min(place, this.images.length - 1)]?.querySelector("button");
    (next ?? this.querySelector(".tb-from-gallery")).focus();
  }

  async #pick() {
    const items = await pickFromGallery(this);
    if (items.length) this.#add(items.map(itemImage));
  }

  #paste = (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length || !this.checkVisibility()) return;
    event.preventDefault();
    this.addFiles(files);
  };
}

/** Take files that are dropped on an element; those of folders too. */
export function acceptDrops(zone, take) {
  const over = (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    zone.classList.toggle("tb-over", event.type === "dragover");
  };
  zone.addEventListener("dragover", over);
  zone.addEventListener("dragleave", over);
  zone.addEventListener("drop", async (event) => {
    over(event);
    take(await droppedFiles(event.dataTransfer));
  });
}

customElements.define("ws-image-picker", ImagePicker);
