// One group of copies: the images side by side, each with a box to keep it.

import { freshId, h } from "../dom.js";
import { count, fileSize } from "../forms/elements.js";

/** Group as a fieldset. keep: id → whether it is kept; mark: called with an id and that. */
export function duplicateGroup(group, number, keep, mark) {
  return h("fieldset", { class: "tb-group" },
    h("legend", {}, `Group ${number}: ${count(group.items.length, "image")}`),
    h("ul", { class: "tb-side" }, ...group.items.map((item) => card(item, keep, mark))));
}

function card(item, keep, mark) {
  const input = h("input", { type: "checkbox", id: freshId("keep"), checked: keep.get(item.id) });
  const name = item.path.split(/[\\/]/).pop();
  const element = h("li", { class: "tb-copy" },
    h("a", { href: item.file ?? item.thumb, target: "_blank", rel: "noopener", class: "tb-copy-image" },
      h("img", { src: item.thumb, alt: `${name}, opens in a new tab`, loading: "lazy" })),
    h("div", { class: "tb-choice" }, input, h("label", { for: input.id }, "Keep ",
      h("span", { class: "ws-hidden" }, name))),
    h("p", { class: "tb-name", title: item.path }, name),
    h("p", { class: "ws-faint" }, [item.width && `${item.width} × ${item.height}`, fileSize(item.size)]
      .filter(Boolean).join(" · ")),
    h("p", { class: "tb-path" }, item.path),
    item.keep ? h("p", { class: "tb-suggested" }, `Suggested: ${item.reason || "the original"}`)
      : h("p", { class: "ws-faint" }, item.reason ?? ""));
  const show = () => element.classList.toggle("tb-kept", input.checked);
  input.addEventListener("change", () => {
    show();
    mark(item.id, input.checked);
  });
  show();
  return element;
}
