// The search bar: words to find, words to leave out, an image, the gallery.

import { h, icon } from "../dom.js";

export class SearchBar {
  // on: {submit({q, not}), files(files), gallery(name)}
  constructor(on) {
    this.on = on;
    this.words = h("input", { type: "search", name: "q", class: "find-words", placeholder: "What do you want to see?", "aria-label": "Words to find", autocomplete: "off", enterkeyhint: "search", maxlength: "2000" });
    this.not = h("input", { type: "text", name: "not", class: "find-not", placeholder: "but not …", "aria-label": "Words that results should not show", autocomplete: "off", enterkeyhint: "search", maxlength: "500" });
    this.file = h("input", { type: "file", accept: "image/*,.heic,.heif,.avif,.tif,.tiff", multiple: true, class: "ws-hidden", tabIndex: -1, "aria-label": "Image files to search by", onchange: () => this.choose() });
    this.gallery = h("select", { class: "find-gallery", "aria-label": "Gallery", onchange: () => on.gallery(this.gallery.value) });
    this.galleryBox = h("div", { class: "find-gallery-box", hidden: true }, this.gallery);
    const image = h("button", { type: "button", class: "find-image", title: "Search by an image: choose a file, or drop or paste one anywhere here", onclick: () => this.file.click() }, icon("image"), "Image");
    this.form = h("form", { class: "find-bar", role: "search", onsubmit: (event) => this.submit(event) },
      h("div", { class: "find-field" }, icon("search"), this.words),
      this.not, image, this.file,
      h("button", { type: "submit", class: "ws-button ws-primary" }, "Search"));
    this.element = h("div", { class: "find-top" }, this.galleryBox, this.form);
  }

  choose() {
    const files = [...this.file.files];
    this.file.value = "";
    this.on.files(files);
  }

  submit(event) {
    event.preventDefault();
    const not = this.not.value.trim();
    this.not.value = "";
    this.on.submit({ q: this.words.value.trim(), not });
  }

  show(query) {
    this.words.value = query.q;
    if (this.gallery.options.length) this.gallery.value = query.gallery || this.gallery.options[0].value;
  }

  showGalleries(galleries) {
    this.gallery.replaceChildren(...galleries.map(({ name }) => h("option", { value: name }, name)));
    this.galleryBox.hidden = galleries.length < 2;
  }
}
