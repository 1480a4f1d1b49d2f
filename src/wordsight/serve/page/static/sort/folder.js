// A folder of the server sorted into classes: a preview that can be changed, then the move, then undo.

import { call } from "../api.js";
import { freshId, h, percent } from "../dom.js";
import { append, button, count, refill, scrolling } from "../forms/elements.js";
import { post, watchJob } from "../forms/requests.js";

const SHOWN = 60; // rows of a class at a time

/** The server's sort folder: {name, undo: number of steps that can be undone}; null where it has none. */
export async function findSortFolder() {
  try {
    const { folder, undo } = await call("/v1/sort");
    return folder ? { name: folder, undo } : null;
  } catch {
    return null; // images can be sorted all the same
  }
}

export class SortFolder {
  constructor({ name, undo }, tellFault) {
    this.name = name;
    this.tellFault = tellFault;
    this.told = h("p", { class: "tb-told", role: "status" });
    this.least = h("input", { type: "range", id: freshId(), min: 0, max: 1, step: 0.05 });
    this.least.value = 0;
    this.leastShown = h("output", { for: this.least.id }, "0%");
    this.least.addEventListener("input", () => {
      this.leastShown.textContent = `${Math.round(100 * this.least.value)}%`;
      this.#count();
    });
    this.move = button("Move", () => this.#confirm(), { class: "ws-button ws-primary" });
    this.tools = h("div", { class: "tb-sticky", hidden: true }, h("div", { class: "tb-row tb-between" },
      h("span", { class: "tb-choice" }, h("label", { for: this.least.id }, "Move from a probability of"), this.least,
        this.leastShown), this.move));
    this.undo = button("Undo all moves", () => this.#undo(), { hidden: !undo });
    this.tables = h("div", { class: "tb-stack" });
    this.empty = h("p", { class: "tb-empty" }, `Type classes and ask for a preview: it shows where each image of ${name} `
      + "would go. Nothing is moved before you confirm it.");
    this.element = h("section", { "aria-label": `Sorting the folder ${name}`, hidden: true }, this.empty, this.tools,
      this.told, h("div", { class: "tb-row" }, this.undo), this.tables);
  }

  /** Ask for a plan: question as `/v1/sort/preview` takes it. Throws: ApiError, AbortError. */
  async preview(question, onProgress, options) {
    this.tools.hidden = true;
    this.told.textContent = "";
    this.tables.replaceChildren();
    const { job } = await post("/v1/sort/preview", question, options);
    const ended = await watchJob(job, ({ done, total }) => total && onProgress(done, total), options.signal);
    this.plan = ended.plan;
    this.items = this.plan.items.map((item) => ({ ...item, to: item.label }));
    this.labels = this.plan.labels;
    this.skipped = ended.skipped ?? [];
    this.empty.hidden = true;
    this.tools.hidden = !this.items.length;
    this.#draw();
    this.#count();
  }

  /** One sentence about the plan. */
  get summary() {
    const skipped = this.skipped.length ? ` ${count(this.skipped.length, "file")} cannot be read and stay.` : "";
    return `${count(this.items.length, "image")} looked at.${skipped}`;
  }

  #draw() {
    const groups = this.labels.map((label) => [label, this.items.filter((item) => item.to === label)]);
    refill(this.tables, groups.filter(([, items]) => items.length).map(([label, items]) => this.#group(label, items)));
  }

  #group(label, items) {
    const body = h("tbody", {});
    const more = button("Show more", () => show(), { class: "ws-button ws-quiet" });
    const show = () => {
      const start = body.children.length;
      append(body, items.slice(start, start + SHOWN).map((item) => this.#row(item)));
      more.hidden = body.children.length === items.length;
    };
    show();
    const caption = `${label}: ${count(items.length, "image")}`;
    return h("div", {}, scrolling(caption, h("table", { class: "tb-table tb-plan" },
      h("caption", {}, caption),
      h("thead", {}, h("tr", {}, ...["Image", "File and probability", "Class"].map((head) =>
        h("th", { scope: "col" }, head)))), body)), more);
  }

  #row(item) {
    const select = h("select", { "aria-label": `Class of ${item.name}` },
      ...this.labels.map((label) => h("option", { value: label }, label)));
    select.value = item.to;
    select.addEventListener("change", () => {
      item.to = select.value;
      item.byHand = item.to !== item.label;
      this.#count();
    });
    return h("tr", {}, h("td", {}, h("img", { class: "tb-thumb", src: item.thumb, alt: "", loading: "lazy" })),
      h("th", { scope: "row" }, item.name, h("span", { class: "ws-faint tb-sure" }, percent(item.probability))),
      h("td", {}, select));
  }

  /** Items that would be moved: those that are probable enough, or given a class by hand. */
  #moving() {
    return this.items.filter((item) => item.byHand || item.probability >= Number(this.least.value));
  }

  #count() {
    const moving = this.#moving().length;
    this.move.textContent = `Move ${count(moving, "file")}`;
    this.move.disabled = !moving;
  }

  async #confirm() {
    const moving = this.#moving();
    const counts = this.labels.map((label) => [label, moving.filter((item) => item.to === label).length]);
    const sure = await confirmDialog(this.element, `Move ${count(moving.length, "file")}?`, [
      h("p", {}, `In ${this.name}, each file goes into the folder of its class:`),
      h("ul", {}, ...counts.filter(([, number]) => number).map(([label, number]) =>
        h("li", {}, `${label}: ${count(number, "file")}`))),
      h("p", {}, `${count(this.items.length - moving.length, "file stays", "files stay")} where they are. Nothing is `
        + "overwritten, and the move can be undone."),
    ], `Move ${count(moving.length, "file")}`);
    if (sure) await this.#apply();
  }

  async #apply() {
    const changes = Object.fromEntries(this.items.filter((item) => item.byHand).map((item) => [item.id, item.to]));
    const body = { plan: this.plan.id, changes, least: Number(this.least.value) };
    await this.#do("Moving…", "/v1/sort/apply", body, ({ moved }) => `${count(moved, "file is", "files are")} moved.`);
    if (!this.undo.hidden) this.undo.focus();
  }

  async #undo() {
    await this.#do("Moving back…", "/v1/sort/undo", {},
      (ended) => `${count(ended.moved_back, "file is", "files are")} back in ${this.name}.`);
  }

  async #do(doing, path, body, describe) {
    this.tellFault("");
    this.told.textContent = doing;
    try {
      const { job } = await post(path, body);
      const ended = await watchJob(job, ({ done, total }) => {
        if (total) this.told.textContent = `${doing} ${done} of ${total}`;
      });
      this.told.textContent = describe(ended) + this.#leftBehind(ended);
      this.tools.hidden = true;
      this.tables.replaceChildren();
      this.empty.hidden = false;
    } catch (error) {
      this.told.textContent = "";
      this.tellFault(error.message);
    }
    this.undo.hidden = !(await findSortFolder())?.undo;
  }

  #leftBehind({ skipped, skipped_total: left }) {
    if (!left) return "";
    const [{ name, reason }] = skipped;
    return ` ${count(left, "file stays", "files stay")}: ${name} ${reason}${left > 1 ? ", …" : ""}.`;
  }
}

/** Whether a person says yes to what a dialog tells. host: it is put there. */
function confirmDialog(host, title, content, yes) {
  return new Promise((resolve) => {
    const id = freshId();
    const dialog = h("dialog", { class: "ws-dialog tb-dialog", "aria-labelledby": id }, h("h2", { id }, title), ...content,
      h("div", { class: "tb-row tb-end" }, button("Cancel", () => dialog.close(), { autofocus: true }),
        button(yes, () => dialog.close("yes"), { class: "ws-button ws-primary" })));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    host.append(dialog);
    dialog.showModal();
  });
}
