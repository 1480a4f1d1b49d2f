// One result, large: its image or page, all it came with, and the ones before and after it.

import { h, marked } from "../dom.js";
import { meter } from "./grid.js";

export class Detail {
  // on: {mark(id, how), search(hit), moved(index)}; hits(): those that are shown
  constructor(hits, on) {
    this.hits = hits;
    this.on = on;
    this.index = 0;
    this.body = h("div", { class: "ws-detail" });
    this.dialog = h("dialog", { class: "ws-dialog", "aria-label": "Result", onkeydown: (event) => this.key(event), onclick: (event) => this.outside(event) }, this.body);
    this.dialog.addEventListener("close", () => this.on.closed(this.index));
  }

  open(index, query) {
    this.index = index;
    this.query = query;
    this.draw();
    if (!this.dialog.open) this.dialog.showModal();
  }

  close() {
    if (this.dialog.open) this.dialog.close();
  }

  outside(event) {
    if (event.target === this.dialog) this.dialog.close();
  }

  key(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) {
      event.preventDefault();
      this.step(step);
    }
  }

  step(by) {
    const next = this.index + by;
    if (next < 0 || next >= this.hits().length) return;
    this.index = next;
    this.draw();
    this.on.moved(next);
  }

  draw() {
    const hit = this.hits()[this.index];
    const image = h("img", { class: "ws-large", src: hit.page_image ?? `${hit.thumb}&size=1280`, alt: hit.alt });
    this.body.replaceChildren(
      h("div", { class: "ws-detail-bar" },
        h("button", { type: "button", class: "ws-quiet", disabled: this.index === 0, onclick: () => this.step(-1), "aria-label": "Previous result" }, "←"),
        h("span", { class: "ws-faint" }, `${this.index + 1} of ${this.hits().length} shown`),
        h("button", { type: "button", class: "ws-quiet", disabled: this.index + 1 >= this.hits().length, onclick: () => this.step(1), "aria-label": "Next result" }, "→"),
        h("button", { type: "button", class: "ws-quiet ws-close", onclick: () => this.dialog.close(), "aria-label": "Close" }, "✕"),
      ),
      h("a", { href: hit.file, target: "_blank", rel: "noopener", class: "ws-stage" }, image),
      h("div", { class: "ws-facts" },
        h("h2", {}, marked(hit.title)),
        hit.probability === null ? null : meter(hit.probability),
        hit.snippet ? h("p", { class: "ws-snippet" }, marked(hit.snippet)) : null,
        h("div", { class: "ws-actions" },
          this.button("More like this", "like", hit),
          this.button("Less like this", "unlike", hit),
          h("a", { class: "ws-button", href: hit.file, target: "_blank", rel: "noopener" }, hit.page === null ? "Open the file" : `Open at page ${hit.page}`),
        ),
        facts(hit),
        copies(hit),
      ),
    );
  }

  button(text, how, hit) {
    const pressed = this.query[how].includes(hit.id);
    return h("button", { type: "button", class: "ws-button", "aria-pressed": String(pressed), onclick: () => { this.dialog.close(); this.on.mark(hit.id, how); } }, text);
  }
}

function facts(hit) {
  const rows = Object.entries(hit.meta).filter(([, value]) => value !== null && value !== "");
  const own = [["file", hit.path], ["size", hit.width ? `${hit.width} × ${hit.height}` : null], ["taken", hit.taken?.replace("T", " ")]];
  const all = [...rows, ...own.filter(([, value]) => value)];
  return h("dl", { class: "ws-meta" }, all.map(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))]));
}

function copies(hit) {
  if (!hit.copies?.length) return null;
  const items = hit.copies.map((copy) => h("li", {}, h("a", { href: copy.file, target: "_blank", rel: "noopener" }, h("img", { src: copy.thumb, alt: "", width: 64, height: 64 }), copy.path)));
  return h("section", {}, h("h3", {}, "Near copies"), h("ul", { class: "ws-copy-list" }, items));
}
