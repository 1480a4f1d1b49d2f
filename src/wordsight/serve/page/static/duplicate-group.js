// One group of copies: the images side by side, each with a box to keep it.

import { freshId, h } from "./dom.js";
import { count, fileSize } from "./elements.js";

/** Group as a fieldset. keep: id → whether it is kept; mark: called with an id and that. */
export function duplicateGroup(group, number, keep, mark) {
  return h("fieldset", { class: "ws-group" },
    h("legend", {}, `Group ${number}: ${count(group.items.length, "image")}`),
    h("ul", { class: "ws-side" }, ...group.items.map((item) => card(item, keep, mark))));
}

function card(item, keep, mark) {
  const input = h("input", { type: "checkbox", id: freshId("keep"), checked: keep.get(item.id) });
  const name = item.path.split(/[\\/]/).pop();
  const element = h("li", { class: "ws-copy" },
    h("a", { href: item.file ?? item.thumb, target: "_blank", rel: "noopener", class: "ws-copy-image" },
      h("img", { src: item.thumb, alt: `${name}, opens in a new tab`, loading: "lazy" })),
    h("div", { class: "ws-choice" }, input, h("label", { for: input.id }, "Keep ",
      h("span", { class: "ws-hidden" }, name))),
    h("p", { class: "ws-name", title: item.path }, name),
    h("p", { class: "ws-faint" }, [item.width && `${item.width} × ${item.height}`, fileSize(item.size)]
      .filter(Boolean).join(" · ")),
    h("p", { class: "ws-path" }, item.path),
    item.keep ? h("p", { class: "ws-suggested" }, `Suggested: ${item.reason || "the original"}`)
      : h("p", { class: "ws-faint" }, item.reason ?? ""));
  const show = () => element.classList.toggle("ws-kept", input.checked);
  input.addEventListener("change", () => {
    show();
    mark(item.id, input.checked);
  });
  show();
  return element;
}
