// Probabilities that a text is true of an image, each judged by itself; those that were asked for are kept.

import { batches } from "../forms/batches.js";
import { post } from "../forms/requests.js";

export class Judged {
  constructor() {
    this.byImage = new Map(); // key of an image → text → probability
    this.texts = [];
  }

  /** Have the probabilities of all texts for all images. Throws: ApiError, AbortError. */
  async add(images, texts, { signal, onWait, onProgress } = {}) {
    this.texts = texts;
    const missing = images.filter((image) => !this.knows(image));
    let done = images.length - missing.length;
    for (const group of batches(missing)) {
      const inputs = await Promise.all(group.map((image) => image.toInput()));
      const { alone } = await post("/v1/similarity", { images: inputs, texts }, { signal, onWait });
      group.forEach((image, i) => {
        if (alone[i]) this.byImage.set(image.key, new Map(texts.map((text, t) => [text, alone[i][t]])));
      });
      done += group.length;
      onProgress?.(done, images.length);
    }
  }

  /** Whether an image has the probabilities of all texts. */
  knows(image) {
    const of = this.byImage.get(image.key);
    return of !== undefined && this.texts.every((text) => of.has(text));
  }

  /** Probabilities by text and image. */
  values(texts, images) {
    return texts.map((text) => images.map((image) => this.byImage.get(image.key).get(text)));
  }
}
