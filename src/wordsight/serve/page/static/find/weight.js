// How much the looks of an image count against its text, with the weight that was tuned for the gallery marked.

import { freshId, h } from "../dom.js";

const DEFAULT = 0.5; // the server's where nothing was tuned

export class Weight {
  // onChange(alpha): null for the server's choice
  constructor(onChange) {
    const id = freshId("weight");
    this.slider = h("input", { id, type: "range", min: "0", max: "1", step: "0.05", "aria-describedby": `${id}-note`, onchange: () => onChange(Number(this.slider.value)), oninput: () => this.tell() });
    this.tick = h("span", { class: "find-tick", "aria-hidden": "true" });
    this.note = h("span", { id: `${id}-note`, class: "ws-faint" });
    this.reset = h("button", { type: "button", class: "ws-link", onclick: () => onChange(null) }, "reset");
    this.element = h("div", { class: "find-weight", hidden: true },
      h("label", { for: id }, "Words or looks"),
      h("div", { class: "find-track" }, this.slider, this.tick),
      h("div", { class: "find-ends", "aria-hidden": "true" }, h("span", {}, "its text"), h("span", {}, "its looks")),
      h("div", { class: "find-weight-note" }, this.note, this.reset));
  }

  // by: of a search's answer. alpha: chosen in the query, or null.
  draw(by, alpha) {
    this.tuned = by?.tuned ?? null;
    const usual = by?.method === "vector" ? 1 : (by?.alpha ?? DEFAULT);
    this.slider.value = String(alpha ?? usual);
    this.tick.hidden = this.tuned === null;
    this.tick.style.setProperty("--at", String(this.tuned ?? 0));
    this.reset.hidden = alpha === null;
    this.reset.textContent = this.tuned === null ? "back to automatic" : "back to the tuned weight";
    this.chosen = alpha !== null;
    this.tell();
  }

  tell() {
    const value = Number(this.slider.value);
    const share = `${Math.round(100 * value)}% looks`;
    this.slider.setAttribute("aria-valuetext", share);
    if (this.chosen || value !== Number(this.slider.defaultValue || value)) this.note.textContent = share;
    else this.note.textContent = this.tuned === null ? "automatic" : `tuned for this gallery: ${share}`;
  }
}
