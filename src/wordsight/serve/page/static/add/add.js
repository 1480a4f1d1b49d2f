// <ws-add>: images, ZIP archives, PDF files and tables into a gallery, with progress and what was skipped.

import { acceptDrops } from "../forms/image-picker.js";
import { freshId, h, icon } from "../dom.js";
import { append, button, count, fileSize, refill, table } from "../forms/elements.js";
import { GalleryChoice } from "../forms/gallery-choice.js";
import { watchJob } from "../forms/requests.js";
import { upload } from "./upload.js";

const LISTED = 12; // files shown by name
const MOST_TITLES = 30; // of a filter in an address

class Add extends HTMLElement {
  connectedCallback() {
    if (this.built) return;
    this.built = true;
    this.files = [];
    this.fault = h("p", { class: "tb-fault", role: "alert" });
    this.place = h("div", {}, h("p", { class: "tb-told" }, "Looking for galleries…"));
    append(this, [h("div", { class: "tb-single" }, this.place, this.fault)]);
    this.choice = new GalleryChoice("add.gallery");
    this.#open();
  }

  async #open() {
    this.fault.textContent = "";
    try {
      const galleries = await this.choice.load();
      if (!galleries.length) {
        refill(this.place, notice("There is no gallery yet",
          "Start the server with one, such as: ", "wordsight serve --gallery photos/ --allow-add"));
      } else if (!galleries.some((one) => one.can_add)) {
        refill(this.place, notice("This server only shows its galleries",
          "Nothing can be added from the page, so that nobody changes a gallery by accident. "
          + "Whoever runs the server can allow it by starting it with ", "--allow-add"));
      } else {
        this.#build();
      }
    } catch (error) {
      refill(this.place, button("Try again", () => this.#open()));
      this.fault.textContent = error.message;
    }
  }

  #build() {
    const input = h("input", { type: "file", multiple: true, class: "ws-hidden", id: freshId(),
      accept: "image/*,.heic,.heif,.avif,.tif,.tiff,.zip,.pdf,.csv,.tsv,.parquet" });
    input.addEventListener("change", () => {
      this.#take([...input.files]);
      input.value = "";
    });
    const zone = h("div", { class: "tb-drop tb-drop-large" },
      h("p", {}, "Drop images, folders, ZIP archives, PDF files or tables here."),
      h("div", { class: "tb-row tb-center" }, input, h("label", { for: input.id, class: "ws-button" }, "Choose files")));
    acceptDrops(zone, (files) => this.#take(files));
    this.input = input;
    this.list = h("ul", { class: "tb-files", "aria-label": "Files to add" });
    this.go = button("Add", () => this.#add(), { class: "ws-button ws-primary", disabled: true });
    this.clear = button("Remove all", () => this.#setFiles([]), { class: "ws-button ws-quiet", hidden: true });
    this.stop = button("Stop", () => this.running.abort(), { hidden: true });
    this.bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": "Progress" });
    this.told = h("p", { class: "tb-told", role: "status" });
    this.outcome = h("div", { class: "tb-outcome" });
    refill(this.place, h("div", { class: "tb-add" }, h("div", { class: "tb-form" }, this.choice.element, zone, this.list,
      h("div", { class: "tb-row" }, this.go, this.stop, this.clear), this.bar, this.told, this.outcome), explain()));
  }

  #take(files) {
    this.fault.textContent = "";
    const known = new Set(this.files.map(identify));
    this.#setFiles([...this.files, ...files.filter((file) => !known.has(identify(file)))]);
  }

  #setFiles(files) {
    this.files = files;
    const bytes = files.reduce((sum, file) => sum + file.size, 0);
    this.go.disabled = !files.length;
    this.go.textContent = files.length ? `Add ${count(files.length, "file")} (${fileSize(bytes)})` : "Add";
    this.clear.hidden = files.length < 2;
    refill(this.list, files.slice(0, LISTED).map((file, i) => h("li", {},
      h("span", { class: "tb-name" }, file.name), h("span", { class: "ws-faint" }, fileSize(file.size)),
      button(icon("cross"), () => this.#remove(i), { class: "tb-remove", "aria-label": `Remove ${file.name}` }))),
    files.length > LISTED ? h("li", { class: "ws-faint" }, `and ${files.length - LISTED} more`) : null);
  }

  #remove(place) {
    this.#setFiles(this.files.filter((_, i) => i !== place));
    const next = this.list.children[Math.min(place, this.files.length - 1)]?.querySelector("button");
    (next ?? this.input).focus();
  }

  async #add() {
    const gallery = this.choice.select.value;
    this.running = new AbortController();
    const { signal } = this.running;
    this.#busy(true);
    try {
      const { job } = await upload(this.files, gallery, (sent, total) => this.#sent(sent, total), signal);
      this.told.textContent = "The files are there; reading them…";
      this.bar.removeAttribute("value");
      const ended = await watchJob(job, (state) => this.#worked(state), signal);
      this.#tell(ended, findAddress(gallery, this.files), gallery);
      this.#setFiles([]);
      await this.choice.load(true);
      this.dispatchEvent(new CustomEvent("ws-gallery-changed", { bubbles: true, detail: { gallery } }));
    } catch (error) {
      this.told.textContent = error.name === "AbortError" ? "Stopped. What the server had already is still added." : "";
      if (error.name !== "AbortError") this.fault.textContent = error.message;
    } finally {
      this.#busy(false);
    }
  }

  #busy(busy) {
    this.go.disabled = busy || !this.files.length;
    this.clear.hidden = busy || this.files.length < 2;
    this.stop.hidden = !busy;
    this.bar.hidden = !busy;
    this.choice.select.disabled = busy;
    if (!busy) return;
    this.fault.textContent = "";
    this.outcome.replaceChildren();
    this.told.textContent = "Sending…";
    this.bar.value = 0;
  }

  #sent(sent, total) {
    this.bar.max = total || 1;
    this.bar.value = sent;
    this.told.textContent = `Sending: ${fileSize(sent)} of ${fileSize(total)}`;
  }

  #worked({ state, done, total }) {
    if (state === "waiting") this.told.textContent = "Waiting for other work to end…";
    if (state !== "running" || !total) return;
    this.bar.max = total;
    this.bar.value = done;
    this.told.textContent = `Adding: ${done.toLocaleString("en")} of ${count(total, "image")}`;
  }

  #tell({ added, skipped, skipped_total: left }, address, gallery) {
    this.told.textContent = (added ? `${count(added, "image is", "images are")} added to ${gallery}.` : "Nothing is new.")
      + (left ? ` ${count(left, "file")} skipped.` : "");
    const parts = [];
    if (added) parts.push(h("p", {}, h("a", { class: "ws-button", href: address }, "Show in Find")));
    if (left) {
      parts.push(h("h2", {}, left > skipped.length ? `Skipped, the first ${skipped.length}` : "Skipped"),
        table("Skipped files and why", ["File", "Reason"], skipped.map(({ name, reason }) => [name, reason])));
    }
    refill(this.outcome, parts);
  }
}

/** Address of what was added in Find: those very images where their titles tell them, else the gallery. */
function findAddress(gallery, files) {
  const address = new URLSearchParams({ gallery });
  if (files.length <= MOST_TITLES && files.every((file) => file.type.startsWith("image/"))) {
    const titles = files.map((file) => file.name.replace(/(.)\.[^.]*$/, "$1"));
    address.set("f", JSON.stringify({ title: { in: titles } }));
  }
  return `/?${address}`;
}

function identify(file) {
  return `${file.name}:${file.size}:${file.lastModified}`;
}

/** What can be added, and what becomes of it. */
function explain() {
  const kinds = [
    ["Images", "JPEG, PNG, WebP, TIFF, HEIC and others; each becomes an item."],
    ["ZIP archives", "All images inside."],
    ["PDF files", "Each page becomes an item, its text can be found too."],
    ["Tables", "CSV or Parquet. The images of the rows come along, are in the table, or are URLs where the server "
      + "fetches; the columns become facets."],
  ];
  return h("aside", { class: "tb-explained", "aria-label": "What can be added" },
    h("h2", {}, "What can be added"),
    h("dl", {}, ...kinds.flatMap(([name, text]) => [h("dt", {}, name), h("dd", {}, text)])),
    h("p", { class: "tb-hint" }, "Files are kept beside the gallery, each once. Whatever cannot be read is skipped, and "
      + "listed with the reason."));
}

function notice(title, text, command) {
  return h("div", { class: "tb-notice" }, h("h2", {}, title), h("p", {}, text, h("code", {}, command), "."));
}

customElements.define("ws-add", Add);
