// What the page says of an answer.

import { h } from "../dom.js";
import { PERHAPS } from "./card.js";
import { isWanting } from "./query.js";

export function countLikely({ likely, at_least: more }) {
  return `${more ? "more than " : ""}${likely.toLocaleString()}`;
}

// {count, note}: a heading, and a sentence where there is something to explain
export function describeAnswer(answer, query, gallery) {
  const notes = [];
  if (answer.truncated) notes.push(`The text is long: its last ${answer.truncated} tokens were not read.`);
  if (!isWanting(query)) {
    if (query.unlike.length || query.not.length) notes.push("What you do not want works together with what you want: add words, an image, or “more like this”.");
    const some = answer.likely !== gallery.images ? ` of ${gallery.images.toLocaleString()}` : "";
    return { count: answer.likely ? `${answer.likely.toLocaleString()}${some} ${answer.likely === 1 && !some ? "image" : "images"}` : "No image meets these conditions", note: [answer.likely ? "" : answer.hint, ...notes].filter(Boolean).join(" ") };
  }
  if (!answer.hits.length) return { count: "Nothing meets these conditions", note: [answer.hint || "Remove one of them to see more.", ...notes].join(" ") };
  if (!answer.likely) {
    const what = query.q ? ` “${query.q}”` : " this";
    if (answer.hits[0].probability >= PERHAPS) return { count: `Perhaps some of these match${what}`, note: ["None is likely; the nearest are below.", ...notes].join(" ") };
    return { count: `Nothing here likely matches${what}`, note: ["The nearest are below.", ...notes].join(" ") };
  }
  return { count: `${countLikely(answer)} likely ${answer.likely === 1 && !answer.at_least ? "result" : "results"}`, note: notes.join(" ") };
}

// {count, parts}: of a gallery without images, or (null) a server without galleries
export function describeEmpty(gallery) {
  const command = (text) => h("code", {}, text);
  if (!gallery) return { count: "There is no gallery yet", parts: ["Start the server with a folder of images: ", command("wordsight serve --gallery FOLDER")] };
  const add = gallery.can_add ? [h("a", { href: "#add" }, "Add some"), "."] : ["Put some in: ", command(`wordsight index FOLDER`)];
  return { count: "This gallery has no images yet", parts: add };
}
