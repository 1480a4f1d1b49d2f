// The panel that narrows a search: beside the results, or on a phone a sheet over them.

import { h, icon } from "../dom.js";

export class Sheet {
  constructor(contents) {
    this.panel = h("div", { class: "find-panel" }, contents);
    this.aside = h("aside", { class: "find-side", "aria-label": "Narrow down", hidden: true });
    this.badge = h("span", { class: "find-badge", hidden: true });
    this.button = h("button", { type: "button", class: "ws-button find-filters", hidden: true, "aria-haspopup": "dialog", onclick: () => this.dialog.showModal() }, icon("filter"), "Filters", this.badge);
    this.done = h("button", { type: "button", class: "ws-button ws-primary", onclick: () => this.dialog.close() }, "Show results");
    this.body = h("div", { class: "find-sheet-body" });
    this.dialog = h("dialog", { class: "ws-dialog find-sheet", "aria-label": "Filters", onclick: (event) => event.target === this.dialog && this.dialog.close() },
      h("div", { class: "find-sheet-head" }, h("h2", {}, "Filters"), h("button", { type: "button", class: "ws-button ws-quiet", "aria-label": "Close", onclick: () => this.dialog.close() }, icon("cross"))),
      this.body, h("div", { class: "find-sheet-foot" }, this.done));
    this.narrow = matchMedia("(max-width: 800px)");
    this.narrow.addEventListener("change", () => this.place());
    this.place();
  }

  place() {
    (this.narrow.matches ? this.body : this.aside).append(this.panel);
    if (!this.narrow.matches && this.dialog.open) this.dialog.close();
    this.show(this.chosen ?? 0, this.empty ?? true);
  }

  // chosen: number of conditions. empty: there is nothing to narrow by.
  show(chosen, empty) {
    this.chosen = chosen;
    this.empty = empty;
    this.aside.hidden = empty || this.narrow.matches;
    this.button.hidden = empty || !this.narrow.matches;
    this.badge.hidden = !chosen;
    this.badge.textContent = String(chosen);
  }

  tell(count) {
    this.done.textContent = `Show ${count.charAt(0).toLowerCase()}${count.slice(1)}`;
  }
}
