// The results: a list of buttons that arrow keys walk through, with a line below what is likely.

import { h, marked, percent } from "../dom.js";

const WORDS = [
  [0.5, "likely"],
  [0.2, "perhaps"],
  [0, "probably not"],
];

export function judge(probability) {
  return WORDS.find(([least]) => probability >= least)[1];
}

export class Grid {
  // on: {open(index), mark(id, "like" | "unlike")}
  constructor(on) {
    this.on = on;
    this.hits = [];
    this.list = h("ul", { class: "ws-grid", onkeydown: (event) => this.move(event) });
    this.lined = false;
  }

  clear() {
    this.hits = [];
    this.lined = false;
    this.list.replaceChildren();
  }

  // Grey cards while the first answer is on its way.
  wait(count = 12) {
    this.clear();
    this.list.append(...Array.from({ length: count }, () => h("li", { class: "ws-card ws-waiting", "aria-hidden": "true" })));
  }

  add(hits, query) {
    if (!this.hits.length) this.list.replaceChildren();
    for (const hit of hits) {
      if (!this.lined && hit.likely === false) {
        this.lined = true;
        const text = this.hits.length ? "Below this line: probably not" : "Nothing likely; these are the nearest";
        this.list.append(h("li", { class: "ws-line" }, h("span", {}, text)));
      }
      this.list.append(this.card(hit, this.hits.length, query));
      this.hits.push(hit);
    }
  }

  card(hit, index, query) {
    const first = index === 0;
    const liked = query.like.includes(hit.id);
    const unliked = query.unlike.includes(hit.id);
    return h(
      "li",
      { class: `ws-card${hit.likely === false ? " ws-unlikely" : ""}` },
      h(
        "button",
        { type: "button", class: "ws-open", tabIndex: first ? 0 : -1, "data-index": String(index), onclick: () => this.on.open(index) },
        h("img", { src: hit.thumb, alt: hit.alt, loading: index < 12 ? "eager" : "lazy", width: 320, height: 320, onerror: missing }),
        h("span", { class: "ws-title" }, marked(hit.title)),
        hit.snippet ? h("span", { class: "ws-snippet" }, marked(hit.snippet)) : null,
        details(hit),
        hit.probability === null ? null : meter(hit.probability),
      ),
      h("div", { class: "ws-tools" },
        copies(hit),
        this.button("More like this", "＋", liked, first, () => this.on.mark(hit.id, "like")),
        this.button("Less like this", "－", unliked, first, () => this.on.mark(hit.id, "unlike")),
      ),
    );
  }

  button(label, sign, pressed, reachable, onclick) {
    return h(
      "button",
      { type: "button", class: "ws-mark", title: label, "aria-label": label, "aria-pressed": String(pressed), tabIndex: reachable ? 0 : -1, onclick },
      sign,
    );
  }

  openers() {
    return [...this.list.querySelectorAll(".ws-open")];
  }

  // Makes one card the one that Tab reaches.
  focus(index) {
    const openers = this.openers();
    const target = openers[Math.max(0, Math.min(index, openers.length - 1))];
    if (!target) return;
    for (const element of this.list.querySelectorAll("button")) element.tabIndex = -1;
    for (const element of target.closest("li").querySelectorAll("button")) element.tabIndex = 0;
    target.focus();
  }

  move(event) {
    const at = event.target.closest("li")?.querySelector(".ws-open");
    if (!at || event.ctrlKey || event.metaKey || event.altKey) return;
    const openers = this.openers();
    const index = openers.indexOf(at);
    const columns = openers.filter((one) => one.closest("li").offsetTop === openers[0].closest("li").offsetTop).length || 1;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    const target = { Home: 0, End: openers.length - 1 }[event.key] ?? (step === undefined ? undefined : index + step);
    if (target === undefined || target < 0) return;
    event.preventDefault();
    this.focus(target);
  }
}

function missing(event) {
  event.target.classList.add("ws-missing");
}

function details(hit) {
  if (!hit.details.length) return null;
  const shown = hit.details.slice(0, 3).map(({ name, value }) => h("span", {}, h("span", { class: "ws-key" }, `${name} `), marked(value)));
  return h("span", { class: "ws-details" }, shown);
}

export function meter(probability) {
  const bar = h("span", { class: "ws-bar" }, h("span", { class: "ws-fill" }));
  bar.firstChild.style.width = `${Math.round(100 * probability)}%`;
  return h("span", { class: "ws-meter" }, bar, h("span", { class: "ws-percent" }, `${percent(probability)} ${judge(probability)}`));
}

function copies(hit) {
  const count = hit.copies?.length ?? 0;
  if (!count) return h("span", { class: "ws-copies" });
  return h("span", { class: "ws-copies" }, `+${count} ${count === 1 ? "copy" : "copies"}`);
}
