// One group of copies: the images side by side, each with a box to keep it.

import { freshId, h } from "../dom.js";
import { count, fileSize } from "../forms/elements.js";

/** Group as a fieldset. keep: id → whether it is kept; mark: called with an id and that. */
export function duplicateGroup(group, number, keep, mark) {
  const same = group.exact ? ", the same content" : "";
  return h("fieldset", { class: "tb-group" },
    h("legend", {}, `Group ${number}: ${count(group.items.length, "image")}${same}`),
    h("ul", { class: "tb-side" }, ...group.items.map((item) => card(item, describe(item), keep, mark))));
}

function describe({ keep, reason }) {
  const told = reason || "the original";
  return keep ? `Suggested: ${told}` : told[0].toUpperCase() + told.slice(1);
}

function card(item, why, keep, mark) {
  const input = h("input", { type: "checkbox", id: freshId("keep"), checked: keep.get(item.id) });
  const facts = [item.width && `${item.width} × ${item.height}`, fileSize(item.size)].filter(Boolean).join(" · ");
  const element = h("li", { class: "tb-copy" },
    h("a", { href: item.page_image ?? item.file, target: "_blank", rel: "noopener", class: "tb-copy-image" },
      h("img", { src: item.thumb, alt: `${item.alt}, opens in a new tab`, loading: "lazy" })),
    h("div", { class: "tb-choice" }, input, h("label", { for: input.id }, "Keep ",
      h("span", { class: "ws-hidden" }, item.alt))),
    h("p", { class: "tb-name", title: item.name }, item.alt),
    h("p", { class: "ws-faint" }, facts),
    h("p", { class: "tb-suggested" }, why),
    h("p", { class: "tb-path" }, item.path));
  const show = () => element.classList.toggle("tb-kept", input.checked);
  input.addEventListener("change", () => {
    show();
    mark(item.id, input.checked);
  });
  show();
  return element;
}
