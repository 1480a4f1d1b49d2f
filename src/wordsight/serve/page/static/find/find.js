// <ws-find>: search a gallery by words, images, and what one likes.

import { call, readAsDataUri, whenReady } from "../api.js";
import { announce, freshId, h } from "../dom.js";
import { Detail } from "./dialog.js";
import { describeCondition, drawFacets, without } from "./facets.js";
import { Grid } from "./grid.js";
import { emptyQuery, isBrowsing, isWanting, mark, readAddress, toRequest, writeAddress } from "./query.js";

const PAGE = 30;
const DEFAULT_ALPHA = 0.5;

class Find extends HTMLElement {
  connectedCallback() {
    if (this.query) return;
    this.query = readAddress();
    this.known = new Map(); // id → hit, for the chips of liked items
    this.unfolded = new Set();
    this.grid = new Grid({ open: (index) => this.detail.open(index, this.query), mark: (id, how) => this.change(mark(this.query, id, how)) });
    this.detail = new Detail(() => this.grid.hits, {
      mark: (id, how) => this.change(mark(this.query, id, how)),
      moved: () => {},
      closed: (index) => this.grid.focus(index),
    });
    this.draw();
    window.addEventListener("popstate", () => this.show(readAddress()));
    this.start();
  }

  draw() {
    this.id ||= freshId("ws-find");
    this.box = h("input", { type: "search", class: "ws-box", name: "q", placeholder: "What do you want to see?", "aria-label": "Words to find", autocomplete: "off", value: this.query.q, maxlength: "2000" });
    this.file = h("input", { type: "file", accept: "image/*", class: "ws-hidden", "aria-label": "Image to search by", tabIndex: -1, onchange: () => this.takeFiles(this.file.files) });
    this.exclude = h("input", { type: "text", class: "ws-box ws-small", placeholder: "but not …", "aria-label": "Words that the images should not show", autocomplete: "off", maxlength: "500" });
    this.galleries = h("select", { class: "ws-select", "aria-label": "Gallery", hidden: true, onchange: () => this.change(emptyQuery(this.galleries.value)) });
    this.chips = h("ul", { class: "ws-chips", "aria-label": "The query" });
    this.status = h("p", { class: "ws-status", role: "status" });
    this.problem = h("div", { class: "ws-problem", role: "alert", hidden: true });
    this.facets = h("div", { class: "ws-facets" });
    this.weight = this.drawWeight();
    this.more = h("button", { type: "button", class: "ws-button ws-more", hidden: true, onclick: () => this.loadMore() }, "More");
    const form = h("form", { class: "ws-search", role: "search", onsubmit: (event) => this.submit(event) },
      this.galleries, this.box, this.exclude,
      h("button", { type: "button", class: "ws-button", onclick: () => this.file.click() }, "Image …"), this.file,
      h("button", { type: "submit", class: "ws-button ws-primary" }, "Search"));
    this.side = h("details", { class: "ws-side", open: matchMedia("(min-width: 801px)").matches }, h("summary", {}, "Narrow down"), this.weight, this.facets);
    this.replaceChildren(form, this.chips, h("div", { class: "ws-columns" }, this.side,
      h("div", { class: "ws-main" }, this.status, this.problem, this.grid.list, this.more)), this.detail.dialog);
    this.addEventListener("dragover", (event) => event.preventDefault());
    this.addEventListener("drop", (event) => { event.preventDefault(); this.takeFiles(event.dataTransfer.files); });
    this.addEventListener("paste", (event) => event.clipboardData.files.length && this.takeFiles(event.clipboardData.files));
    new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && this.loadMore(), { rootMargin: "600px" }).observe(this.more);
  }

  drawWeight() {
    const id = freshId("weight");
    this.slider = h("input", { id, type: "range", min: "0", max: "1", step: "0.05", list: `${id}-tuned`, onchange: () => this.change({ ...this.query, alpha: Number(this.slider.value) }) });
    this.tuned = h("datalist", { id: `${id}-tuned` });
    this.tunedNote = h("span", { class: "ws-faint" });
    return h("div", { class: "ws-weight", hidden: true }, h("label", { for: id }, "Words or looks"), this.slider, this.tuned,
      h("div", { class: "ws-ends" }, h("span", {}, "texts"), this.tunedNote, h("span", {}, "images")));
  }

  async start() {
    this.status.textContent = "Opening …";
    this.grid.wait();
    try {
      const { galleries } = await call("/v1/galleries");
      this.list = galleries;
      this.galleries.replaceChildren(...galleries.map(({ name, images }) => h("option", { value: name }, `${name} (${images.toLocaleString()})`)));
      this.galleries.hidden = galleries.length < 2;
      if (!galleries.length) return this.explainNoGallery();
    } catch (error) {
      return this.fail(error, () => this.start());
    }
    this.search();
  }

  get gallery() {
    return this.list?.find((one) => (this.query.gallery ? one.name === this.query.gallery : one.default)) ?? this.list?.[0];
  }

  explainNoGallery() {
    this.grid.clear();
    this.status.replaceChildren("There is no gallery yet. Start the server with a folder of images: ", h("code", {}, "wordsight serve --gallery FOLDER"));
  }

  submit(event) {
    event.preventDefault();
    const not = this.exclude.value.trim();
    this.exclude.value = "";
    this.change({ ...this.query, q: this.box.value.trim(), not: not ? [...this.query.not, not] : this.query.not });
  }

  change(query) {
    const address = writeAddress(query);
    if (address !== (location.search || location.pathname)) history.pushState(null, "", address);
    this.show(query);
  }

  show(query) {
    this.query = query;
    this.box.value = query.q;
    this.detail.close();
    this.search();
  }

  async takeFiles(files) {
    const images = [...files].filter((file) => file.type.startsWith("image/"));
    this.file.value = "";
    if (!images.length) return this.fail(new Error("That is not an image. Drop a JPEG, PNG or WebP file."));
    try {
      const added = await Promise.all(images.slice(0, 5).map(async (file) => ({ name: file.name || "pasted image", uri: await readAsDataUri(file) })));
      this.change({ ...this.query, images: [...this.query.images, ...added] });
    } catch (error) {
      this.fail(error);
    }
  }

  async search() {
    this.abort?.abort();
    this.abort = new AbortController();
    const { signal } = this.abort;
    this.cursor = null;
    this.more.hidden = true;
    this.problem.hidden = true;
    this.drawChips();
    if (!isWanting(this.query) && !isBrowsing(this.query)) {
      this.grid.clear();
      this.status.textContent = "Add what you want to see: words, an image, or “more like this”.";
      return;
    }
    this.grid.wait();
    this.status.textContent = "Searching …";
    const asked = toRequest(this.query);
    whenReadyOnce().then((waited) => waited && this.status.textContent.startsWith("The model") && (this.status.textContent = "Searching …"));
    if (!ready) this.status.textContent = "The model is being loaded; your search runs as soon as it is there.";
    this.countFacets(signal);
    try {
      const answer = await call("/v1/search", { ...asked, limit: PAGE }, { signal });
      if (signal.aborted) return;
      this.asked = asked;
      this.take(answer);
      this.describe(answer);
    } catch (error) {
      if (error.name !== "AbortError") this.fail(error, () => this.search());
    }
  }

  take(answer) {
    for (const hit of answer.hits) this.known.set(hit.id, hit);
    this.grid.add(answer.hits, this.query);
    this.cursor = answer.cursor;
    this.more.hidden = !answer.cursor;
    this.drawChips();
  }

  describe(answer) {
    const browsing = isBrowsing(this.query);
    if (!answer.hits.length) this.grid.clear();
    let text = `${answer.at_least ? "more than " : ""}${answer.likely.toLocaleString()} likely`;
    if (browsing) text = `${answer.likely.toLocaleString()} ${answer.likely === 1 ? "image" : "images"}`;
    else if (!answer.hits.length) text = answer.hint || "Nothing here meets these conditions.";
    else if (!answer.likely) text = `Nothing here likely matches${this.query.q ? ` “${this.query.q}”` : ""}. The nearest are below.`;
    if (answer.truncated) text += ` · the last ${answer.truncated} tokens of the text were not read`;
    this.status.textContent = text;
    this.weight.hidden = !this.query.q.trim();
    const tuned = answer.by?.tuned ?? DEFAULT_ALPHA;
    this.slider.value = String(this.query.alpha ?? (answer.by?.method === "vector" ? 1 : (answer.by?.alpha ?? tuned)));
    this.tuned.replaceChildren(h("option", { value: String(tuned) }));
    this.tunedNote.textContent = answer.by?.tuned === null || answer.by === null ? "" : `tuned: ${tuned}`;
  }

  async loadMore() {
    if (!this.cursor || this.loading) return;
    this.loading = true;
    const { signal } = this.abort;
    try {
      const answer = await call("/v1/search", { ...this.asked, limit: PAGE, cursor: this.cursor }, { signal });
      if (answer.changed) announce("The gallery has changed since this search; search again to see all of it.");
      this.take(answer);
    } catch (error) {
      if (error.name !== "AbortError") this.fail(error, () => this.loadMore());
    } finally {
      this.loading = false;
    }
  }

  async countFacets(signal) {
    try {
      const body = { filter: this.query.filter };
      if (this.query.gallery) body.gallery = this.query.gallery;
      const { facets } = await call("/v1/facets", body, { signal });
      this.lastFacets = facets;
      this.drawFacets();
    } catch (error) {
      if (error.name === "AbortError") return;
      this.facets.replaceChildren(h("p", { class: "ws-faint" }, error.message));
    }
  }

  drawFacets() {
    const chosen = (filter) => {
      if (filter === this.query.filter) return this.drawFacets();
      return this.change({ ...this.query, filter });
    };
    this.facets.replaceChildren(...drawFacets(this.lastFacets, this.query.filter, chosen, this.unfolded));
    this.side.hidden = !this.facets.childElementCount && this.weight.hidden;
  }

  drawChips() {
    const { query } = this;
    const chip = (text, remove, image) => h("li", { class: "ws-chip" }, image ? h("img", { src: image, alt: "", width: 28, height: 28 }) : null, h("span", {}, text),
      h("button", { type: "button", "aria-label": `Remove: ${text}`, onclick: remove }, "✕"));
    const liked = (how, text) => query[how].map((id) => {
      const hit = this.known.get(id);
      return chip(`${text} ${hit?.name ?? id.split("/").pop()}`, () => this.change(mark(query, id, how)), hit?.thumb);
    });
    const chips = [
      ...query.images.map((image) => chip(`like ${image.name} (only in this window)`, () => this.change({ ...query, images: query.images.filter((one) => one !== image) }), image.uri)),
      ...liked("like", "more like"),
      ...liked("unlike", "less like"),
      ...query.not.map((text) => chip(`not ${text}`, () => this.change({ ...query, not: query.not.filter((one) => one !== text) }))),
      ...Object.entries(query.filter).map(([column, test]) => chip(describeCondition(column, test), () => this.change({ ...query, filter: without(query.filter, column) }))),
    ];
    if (chips.length > 1) chips.push(h("li", {}, h("button", { type: "button", class: "ws-link", onclick: () => this.change(emptyQuery(query.gallery)) }, "Start again")));
    this.chips.replaceChildren(...chips);
    this.chips.hidden = !chips.length;
  }

  fail(error, again) {
    if (!this.grid.hits.length) this.grid.clear();
    this.status.textContent = "";
    this.problem.hidden = false;
    this.problem.replaceChildren(h("span", {}, error.message), again ? h("button", { type: "button", class: "ws-button", onclick: () => { this.problem.hidden = true; again(); } }, "Try again") : "");
  }
}

let ready = false;
let waiting = null;

// Whether the model had to be waited for; asked once.
function whenReadyOnce() {
  if (ready) return Promise.resolve(false);
  waiting ??= whenReady().then(() => (ready = true));
  return waiting;
}

customElements.define("ws-find", Find);
