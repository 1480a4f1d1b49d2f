// <ws-find>: search a gallery by words, images, and what one likes; without any of them, look through it.

import { call } from "../api.js";
import { announce, h, icon } from "../dom.js";
import { SearchBar } from "./bar.js";
import { drawChips } from "./chips.js";
import { Detail } from "./dialog.js";
import { Facets } from "./facets.js";
import { Grid } from "./grid.js";
import { imageFiles, takeImage } from "./images.js";
import { emptyQuery, isWanting, mark, readAddress, toRequest, writeAddress } from "./query.js";
import { countLikely, describeAnswer, describeEmpty } from "./saying.js";
import { Sheet } from "./sheet.js";
import { Weight } from "./weight.js";

const PAGE = 40; // results of one request
const KEPT = 12; // searches whose results going back shows at once

class Find extends HTMLElement {
  connectedCallback() {
    if (this.query) return;
    this.query = readAddress();
    this.known = new Map(); // key → hit, for the chips of marked items
    this.kept = new Map(); // request → its results so far
    this.draw();
    this.listen();
    this.start();
  }

  draw() {
    const change = (query) => this.change(query);
    const onMark = (key, how) => this.change(mark(this.query, key, how));
    this.bar = new SearchBar({
      submit: ({ q, not }) => this.change({ ...this.query, q, not: not ? [...this.query.not, { text: not, weight: 1 }] : this.query.not }, true),
      files: (files) => this.takeFiles(files),
      gallery: (name) => change(emptyQuery(name)),
    });
    this.grid = new Grid({ open: (hit, of) => this.detail.open(hit, this.query, of), mark: onMark });
    this.detail = new Detail(() => this.grid.hits, { mark: onMark, closed: (key) => this.grid.focus(key), last: () => this.loadMore() });
    this.facets = new Facets((filter) => change({ ...this.query, filter }));
    this.weight = new Weight((alpha) => change({ ...this.query, alpha }));
    this.sheet = new Sheet([this.weight.element, this.facets.element]);
    this.chips = h("ul", { class: "find-chips", role: "list", "aria-label": "Your search", hidden: true });
    this.count = h("h2", { class: "find-count", tabIndex: -1 });
    this.note = h("div", { class: "find-note", hidden: true });
    this.problem = h("div", { class: "find-problem", role: "alert", hidden: true });
    this.more = h("button", { type: "button", class: "ws-button find-more", hidden: true, onclick: () => this.loadMore() }, "More results");
    this.results = h("section", { class: "find-results", "aria-labelledby": "find-count" },
      h("div", { class: "find-head" }, this.count, this.sheet.button), this.problem, this.note, this.grid.element, this.more);
    this.count.id = "find-count";
    this.overlay = h("div", { class: "find-drop", hidden: true, "aria-hidden": "true" }, icon("image"), "Drop to search by this image");
    this.replaceChildren(this.bar.element, this.chips, h("div", { class: "find-columns" }, this.sheet.aside, this.results), this.detail.dialog, this.sheet.dialog, this.overlay);
  }

  listen() {
    window.addEventListener("popstate", () => this.comeBack());
    document.addEventListener("paste", (event) => this.visible && imageFiles(event.clipboardData).length && this.takeFiles(imageFiles(event.clipboardData)));
    document.addEventListener("keydown", (event) => this.reachBox(event));
    this.addEventListener("dragover", (event) => this.hover(event));
    this.addEventListener("dragleave", (event) => { if (!this.contains(event.relatedTarget)) this.overlay.hidden = true; });
    this.addEventListener("drop", (event) => this.drop(event));
    new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && this.loadMore(), { rootMargin: "900px" }).observe(this.more);
  }

  get visible() {
    return this.offsetParent !== null;
  }

  async start() {
    this.grid.wait();
    this.count.textContent = "Opening…";
    this.bar.show(this.query);
    if (matchMedia("(hover: hover) and (min-width: 801px)").matches && this.visible) this.bar.words.focus({ preventScroll: true });
    try {
      const { galleries } = await call("/v1/galleries");
      this.galleries = galleries;
    } catch (error) {
      return this.fail(error, () => this.start());
    }
    this.bar.showGalleries(this.galleries);
    this.bar.show(this.query);
    if (!this.galleries.length) return this.tellEmpty(describeEmpty(null));
    return this.search();
  }

  get gallery() {
    const named = this.galleries.find(({ name }) => name === this.query.gallery);
    return named ?? this.galleries.find((one) => one.default) ?? this.galleries[0];
  }

  // A new query, and its address. again: search even if nothing changed.
  change(query, again = false) {
    const address = writeAddress(query);
    const same = address === (location.search || location.pathname) && query.images === this.query.images;
    if (!same) {
      this.keep();
      history.pushState(query.images.length ? { images: query.images } : null, "", address);
    }
    this.query = query;
    if (!same || again) this.show();
  }

  comeBack() {
    const query = readAddress();
    if (writeAddress(query) === writeAddress(this.query) && query.images.length === this.query.images.length) return;
    this.keep();
    this.query = query;
    this.show(true);
  }

  show(back = false) {
    this.bar.show(this.query);
    this.detail.close();
    const before = back ? this.kept.get(JSON.stringify(toRequest(this.query))) : null;
    if (this.galleries?.length) this.search(before);
  }

  // Results as they are, for coming back to them.
  keep() {
    if (!this.answer || this.abort?.running) return;
    const key = JSON.stringify(this.asked);
    this.kept.delete(key);
    this.kept.set(key, { answer: { ...this.answer, hits: [...this.grid.hits], cursor: this.cursor }, top: window.scrollY });
    if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value);
  }

  async search(before = null) {
    this.abort?.abort();
    this.abort = new AbortController();
    const { signal } = this.abort;
    this.asked = toRequest(this.query);
    this.answer = null;
    this.cursor = null;
    this.more.hidden = true;
    this.problem.hidden = true;
    this.note.hidden = true;
    this.drawChips();
    document.title = this.query.q ? `${this.query.q} – wordsight` : "wordsight";
    if (this.gallery.error) return this.fail(new Error(this.gallery.error), () => this.start());
    if (!this.gallery.images) return this.tellEmpty(describeEmpty(this.gallery));
    this.countFacets(signal);
    if (before) {
      this.take(before.answer, true);
      return window.scrollTo(0, before.top);
    }
    const lost = this.results.contains(this.getRootNode().activeElement);
    this.results.setAttribute("aria-busy", "true");
    if (!this.grid.hits.length) this.grid.wait();
    this.count.textContent = "Searching…";
    if (lost) this.count.focus({ preventScroll: true });
    try {
      const answer = await call("/v1/search", { ...this.asked, limit: PAGE }, { signal });
      if (signal.aborted) return undefined;
      this.take(answer, true);
      if (this.count.getBoundingClientRect().top < 0) window.scrollTo(0, 0);
    } catch (error) {
      if (error.name !== "AbortError" && !signal.aborted) this.fail(error, () => this.search());
    }
    return undefined;
  }

  // Draws an answer's results. first: of a new search, rather than more of the same
  take(answer, first) {
    this.results.removeAttribute("aria-busy");
    if (first) {
      this.answer = answer;
      this.grid.clear();
      this.tell(answer);
    }
    for (const hit of answer.hits) this.known.set(hit.key, hit);
    const dislikes = isWanting(this.query) ? [] : this.query.unlike.map(({ key }) => key);
    this.grid.add(answer.hits.filter(({ key }) => !dislikes.includes(key)), this.query, countLikely(this.answer));
    this.cursor = answer.cursor;
    this.more.hidden = !answer.cursor;
    if (first) this.drawChips();
  }

  tell(answer) {
    const { count, note } = describeAnswer(answer, this.query, this.gallery);
    this.count.textContent = count;
    this.note.hidden = !note;
    this.note.textContent = note;
    announce([count, note].filter(Boolean).join(". "));
    const texts = answer.hits.some((hit) => hit.page !== null || hit.bm25 || Object.keys(hit.meta).length);
    this.weight.element.hidden = !(this.query.q.trim() && texts) && this.query.alpha === null;
    this.weight.draw(answer.by, this.query.alpha);
    this.showSheet();
    this.sheet.tell(count);
  }

  tellEmpty({ count, parts }) {
    this.grid.clear();
    this.count.textContent = count;
    this.note.hidden = false;
    this.note.replaceChildren(...parts);
    this.sheet.show(0, true);
  }

  showSheet() {
    this.sheet.show(Object.keys(this.query.filter).length, this.facets.empty && this.weight.element.hidden);
  }

  async loadMore() {
    if (!this.cursor || this.loading) return;
    this.loading = this.cursor;
    this.more.disabled = true;
    const { signal } = this.abort;
    try {
      const answer = await call("/v1/search", { ...this.asked, limit: PAGE, cursor: this.cursor }, { signal });
      if (signal.aborted) return;
      if (answer.changed) announce("The gallery has changed since this search; search again to see all of it.");
      const focused = this.getRootNode().activeElement === this.more;
      const before = this.grid.hits.length;
      this.take(answer, false);
      if (focused && this.grid.hits[before]) this.grid.focus(this.grid.hits[before].key);
      announce(`${this.grid.hits.length} results shown.`);
    } catch (error) {
      if (error.name !== "AbortError") this.fail(error, () => this.loadMore(), true);
    } finally {
      this.loading = null;
      this.more.disabled = false;
    }
  }

  async countFacets(signal) {
    try {
      const { gallery, filter } = this.asked;
      const { facets } = await call("/v1/facets", { gallery, filter }, { signal });
      this.facets.draw(facets, this.query.filter);
      this.showSheet();
    } catch {
      // a filter that is wrong is told by the search itself
    }
  }

  drawChips() {
    const chips = drawChips(this.query, this.gallery?.name ?? "", this.known, (query) => this.change(query));
    this.chips.replaceChildren(...chips);
    this.chips.hidden = !chips.length;
  }

  async takeFiles(files) {
    this.problem.hidden = true;
    try {
      const images = await Promise.all(files.map(takeImage));
      if (images.length) this.change({ ...this.query, images: [...this.query.images, ...images] });
    } catch (error) {
      this.fail(error, null, true);
    }
  }

  hover(event) {
    const { types } = event.dataTransfer;
    if (!types.includes("Files") && !types.includes("application/x-wordsight-key")) return;
    event.preventDefault();
    if (!types.includes("application/x-wordsight-key")) this.overlay.hidden = false;
  }

  drop(event) {
    event.preventDefault();
    this.overlay.hidden = true;
    const key = event.dataTransfer.getData("application/x-wordsight-key");
    if (!key) this.takeFiles(imageFiles(event.dataTransfer));
    else if (!event.composedPath().includes(this.results)) this.change(mark(this.query, key, "like"));
  }

  // "/" goes to the search box from anywhere but another field.
  reachBox(event) {
    const typing = event.composedPath()[0]?.matches?.("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || typing || !this.visible || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.bar.words.select();
  }

  // also: the results that are there stay.
  fail(error, again = null, also = false) {
    this.results.removeAttribute("aria-busy");
    if (!also) {
      this.grid.clear();
      this.count.textContent = "No results";
    }
    this.problem.hidden = false;
    const retry = () => {
      this.problem.hidden = true;
      again();
    };
    this.problem.replaceChildren(h("span", {}, error.message), again ? h("button", { type: "button", class: "ws-button", onclick: retry }, "Try again") : "");
  }
}

customElements.define("ws-find", Find);
