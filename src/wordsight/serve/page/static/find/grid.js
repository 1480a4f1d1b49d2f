// The results: a list of cards that arrow keys walk through, with a line below what is likely.

import { h } from "../dom.js";
import { drawCard } from "./card.js";

const EAGER = 10; // images that are on the first screen

export class Grid {
  // on: {open(hit), mark(key, how)}
  constructor(on) {
    this.on = on;
    this.hits = [];
    this.lined = false;
    this.element = h("ul", { class: "find-grid", role: "list", "aria-label": "Results", onkeydown: (event) => this.move(event), onfocusin: (event) => this.take(event.target) });
  }

  clear() {
    this.hits = [];
    this.lined = false;
    this.element.replaceChildren();
  }

  // Grey cards while the first answer is on its way.
  wait(count = 12) {
    this.clear();
    this.element.append(...Array.from({ length: count }, () => h("li", { class: "find-card find-waiting", "aria-hidden": "true" })));
  }

  // likely: number of likely results in all, "12" or "more than 12"
  add(hits, query, likely) {
    const first = !this.hits.length;
    if (first) this.element.replaceChildren();
    for (const hit of hits) {
      if (!this.lined && hit.likely === false) {
        this.lined = true;
        if (this.hits.length) this.element.append(h("li", { class: "find-line" }, h("span", {}, `${likely} likely — below this line: probably not`)));
      }
      this.element.append(drawCard(hit, query, this.on, this.hits.length < EAGER));
      this.hits.push(hit);
    }
    if (first && this.hits.length) this.reach(this.cards()[0]);
  }

  cards() {
    return [...this.element.querySelectorAll(".find-card[data-key]")];
  }

  // Makes one card the one whose buttons Tab reaches.
  reach(card) {
    for (const one of this.element.querySelectorAll('button[tabindex="0"]')) one.tabIndex = -1;
    for (const one of card.querySelectorAll("button")) one.tabIndex = 0;
    this.reached = card;
  }

  take(target) {
    const card = target.closest(".find-card");
    if (card && card !== this.reached) this.reach(card);
  }

  focus(key) {
    const cards = this.cards();
    const card = cards.find((one) => one.dataset.key === key) ?? cards[0];
    card?.querySelector(".find-open").focus();
  }

  move(event) {
    const card = event.target.closest(".find-card");
    if (!card || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const cards = this.cards();
    const at = cards.indexOf(card);
    const next = { Home: 0, End: cards.length - 1, ArrowRight: at + 1, ArrowLeft: at - 1 }[event.key] ?? this.across(cards, at, event.key);
    if (next === undefined) return;
    event.preventDefault();
    cards[Math.max(0, Math.min(next, cards.length - 1))].querySelector(".find-open").focus();
  }

  // The card above or below: the nearest one of the next row in that direction.
  across(cards, at, key) {
    const down = { ArrowDown: 1, ArrowUp: -1 }[key];
    if (!down) return undefined;
    const { offsetTop: top, offsetLeft: left } = cards[at];
    let row = null;
    for (let i = at + down; cards[i]; i += down) {
      if (cards[i].offsetTop === top) continue;
      row ??= cards[i].offsetTop;
      if (cards[i].offsetTop !== row) break;
      if (down > 0 ? cards[i].offsetLeft >= left : cards[i].offsetLeft <= left) return i;
    }
    return row === null ? at : cards.findLastIndex((one) => one.offsetTop === row);
  }
}
