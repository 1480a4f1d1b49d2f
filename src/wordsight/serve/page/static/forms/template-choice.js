// Choosing templates: one of the sets that the server knows, or lines of one's own.

import { h } from "../dom.js";
import { append, count, field, kept } from "./elements.js";
import { call } from "../api.js";

const OWN = "own";
const USUAL = "photo";

/** Fields for a choice of templates; `key` is the name under which the choice is kept. */
export class TemplateChoice {
  constructor(key, usual = USUAL) {
    this.key = key;
    this.usual = usual;
    this.onchange = () => {};
    this.sets = new Map([[USUAL, ["a photo of a {}."]]]);
    this.select = h("select", {});
    this.own = h("textarea", { rows: 3, spellcheck: "false", placeholder: "a photo of a {}.\na drawing of a {}." });
    this.preview = h("p", { class: "tb-hint" });
    this.ownField = field("Your templates, one per line", this.own, "{} is the place of the class.");
    this.element = h("div", { class: "tb-stack" }, field("Templates", this.select), this.ownField, this.preview);
    this.select.addEventListener("change", () => this.#changed());
    this.own.addEventListener("input", () => this.#changed());
    this.own.value = kept.read(`${key}.own`, "");
    this.#offer(kept.read(key, usual));
  }

  /** Ask the server for its sets; without an answer the usual template stays. */
  async load() {
    if (this.loaded) return;
    try {
      const sets = (await call("/v1/templates")).templates;
      this.sets = new Map(sets.map((set) => [set.name, set.templates]));
      this.loaded = true;
      this.#offer(kept.read(this.key, this.usual));
    } catch {
      // the usual one can be chosen all the same
    }
  }

  /** Templates that are chosen. Throws: Error that says what to change. */
  get templates() {
    if (this.select.value !== OWN) return this.sets.get(this.select.value);
    const lines = this.own.value.split("\n").map((line) => line.trim()).filter(Boolean);
    if (!lines.length) throw new Error("Type a template of your own, such as: a photo of a {}.");
    const bad = lines.find((line) => !line.includes("{}"));
    if (bad) throw new Error(`The template “${bad}” lacks {}, the place of the class.`);
    return lines;
  }

  #offer(chosen) {
    this.select.replaceChildren();
    const named = [...this.sets].map(([name, lines]) => [name, lines.length === 1 ? `${name}: ${lines[0]}`
      : `${name} (${count(lines.length, "template")})`]);
    append(this.select, [...named, [OWN, "your own …"]].map(([value, text]) => h("option", { value }, text)));
    this.select.value = chosen;
    if (!this.select.value) this.select.value = USUAL;
    this.#show();
  }

  #changed() {
    kept.write(this.key, this.select.value);
    kept.write(`${this.key}.own`, this.own.value);
    this.#show();
    this.onchange();
  }

  #show() {
    const own = this.select.value === OWN;
    this.ownField.hidden = !own;
    const lines = own ? [] : this.sets.get(this.select.value) ?? [];
    this.preview.hidden = lines.length < 2;
    this.preview.textContent = `${lines.slice(0, 3).join("  ·  ")}${lines.length > 3 ? "  · …" : ""}`;
  }
}
