// One result, large: its image or page, all it came with, and the ones before and after it.

import { h, icon, marked } from "../dom.js";
import { drawMeter } from "./card.js";
import { nameColumn, showValue } from "./conditions.js";
import { isMarked } from "./query.js";

const LARGE = 1280; // pixels of the longer side
const MOST_SCALE = 2; // a small image is not blown up further

export class Detail {
  // hits(): the results that are shown. on: {mark(key, how), closed(key), last()}
  constructor(hits, on) {
    this.hits = hits;
    this.on = on;
    this.dialog = h("dialog", { class: "ws-dialog find-dialog", "aria-label": "Result", onkeydown: (event) => this.key(event), onclick: (event) => event.target === this.dialog && this.close() });
    this.dialog.addEventListener("close", () => this.on.closed(this.at));
  }

  // of: the result among whose copies the hit is
  open(hit, query, of = hit) {
    this.hit = hit;
    this.at = of.key;
    this.query = query;
    this.draw();
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.querySelector(".find-close").focus();
  }

  close() {
    if (this.dialog.open) this.dialog.close();
  }

  key(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.step(step);
  }

  get index() {
    return this.hits().findIndex(({ key }) => key === this.at);
  }

  step(by) {
    const hits = this.hits();
    const next = hits[this.index + by];
    if (!next) return;
    const focused = this.dialog.getRootNode().activeElement?.getAttribute("aria-label");
    this.hit = next;
    this.at = next.key;
    this.draw();
    if (this.index >= hits.length - 3) this.on.last();
    const again = [...this.dialog.querySelectorAll("button:not(:disabled)")].find((one) => one.getAttribute("aria-label") === focused);
    (again ?? this.dialog.querySelector(".find-close")).focus();
  }

  draw() {
    const { hit } = this;
    const image = h("img", { class: "find-large", src: hit.page_image ?? `${hit.thumb}&size=${LARGE}`, alt: hit.alt });
    if (!hit.page_image && hit.width) {
      image.style.maxWidth = `${MOST_SCALE * hit.width}px`;
      image.style.maxHeight = `${MOST_SCALE * hit.height}px`;
    }
    this.dialog.setAttribute("aria-label", hit.title.text);
    this.dialog.replaceChildren(h("div", { class: "find-detail" },
      h("div", { class: "find-stage" }, image, this.drawStep(-1, "left", "Previous result"), this.drawStep(1, "right", "Next result")),
      h("div", { class: "find-facts" },
        h("div", { class: "find-facts-head" }, h("h2", {}, marked(hit.title)),
          h("button", { type: "button", class: "ws-button ws-quiet find-close", "aria-label": "Close", title: "Close (Escape)", onclick: () => this.close() }, icon("cross"))),
        drawMeter(hit),
        hit.snippet ? h("p", { class: "find-text" }, marked(hit.snippet)) : null,
        h("div", { class: "find-actions" },
          this.drawMark("More like this", "plus", "like"), this.drawMark("Less like this", "minus", "unlike"),
          h("a", { class: "ws-button", href: hit.file, target: "_blank", rel: "noopener" }, icon("open"), hit.page === null ? "Open the file" : `Open at page ${hit.page}`)),
        drawFacts(hit), this.drawCopies())));
  }

  drawStep(by, sign, label) {
    return h("button", { type: "button", class: `find-step find-step-${sign}`, "aria-label": label, title: label, disabled: !this.hits()[this.index + by], onclick: () => this.step(by) }, icon(sign));
  }

  drawMark(text, sign, how) {
    const { key } = this.hit;
    return h("button", { type: "button", class: "ws-button", "aria-pressed": String(isMarked(this.query, how, key)), onclick: () => { this.close(); this.on.mark(key, how); } }, icon(sign), text);
  }

  drawCopies() {
    const copies = this.hit.copies ?? [];
    if (!copies.length) return null;
    const items = copies.map((copy) => h("li", {}, h("button", { type: "button", onclick: () => this.open({ ...copy, probability: null, copies: [] }, this.query, this.hit) },
      h("img", { src: `${copy.thumb}&size=160`, alt: "", width: 56, height: 56 }), h("span", {}, copy.name))));
    return h("section", {}, h("h3", {}, copies.length === 1 ? "A near copy" : `${copies.length} near copies`), h("ul", { class: "find-near" }, items));
  }
}

function drawFacts(hit) {
  const columns = Object.entries(hit.meta).filter(([, value]) => value !== null && value !== "" && value !== hit.title.text);
  const own = [["taken", hit.taken?.replace("T", " ")], ["size", hit.width ? `${hit.width} × ${hit.height} pixels` : null], ["file", hit.path]];
  const all = [...columns, ...own.filter(([, value]) => value)];
  return h("dl", { class: "find-meta" }, all.map(([name, value]) => [h("dt", {}, nameColumn(name)), h("dd", {}, showValue(value))]).flat());
}
