// Embeddings, each asked for once; cosines and probabilities of them.

import { batches } from "../forms/batches.js";
import { post } from "../forms/requests.js";

const TEXTS_AT_ONCE = 256;

/** Cosine of two unit vectors. */
export function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += a[i] * b[i];
  return sum;
}

/** Probabilities of cosines that exclude each other, by the model's scale. */
export function softmax(cosines, scale) {
  const most = Math.max(...cosines);
  const weights = cosines.map((cosine) => Math.exp(scale * (cosine - most)));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

/** Index of the largest number. */
export function argmax(numbers) {
  return numbers.reduce((best, number, i) => (number > numbers[best] ? i : best), 0);
}

function decode(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

/** Embeddings of one model: those that were asked for are kept. */
export class Vectors {
  constructor(model = null) {
    this.model = model;
    this.texts = new Map(); // text → vector
    this.images = new Map(); // key of an image → vector
    this.truncated = new Map(); // text → tokens that the model does not read
    this.failed = new Map(); // key of an image → why it has no vector
  }

  /** Have the vectors of texts. Throws: ApiError. */
  async addTexts(texts, { signal, onWait } = {}) {
    const missing = [...new Set(texts)].filter((text) => !this.texts.has(text));
    for (let start = 0; start < missing.length; start += TEXTS_AT_ONCE) {
      const asked = missing.slice(start, start + TEXTS_AT_ONCE);
      const data = await this.#embed(asked.map((text) => ({ text })), { signal, onWait });
      asked.forEach((text, i) => {
        this.texts.set(text, decode(data[i].embedding));
        if (data[i].truncated) this.truncated.set(text, data[i].truncated);
      });
    }
  }

  /** Have the vectors of images; one that cannot be read is in `failed`. Throws: ApiError for other faults. */
  async addImages(images, { signal, onWait, onProgress } = {}) {
    const missing = images.filter((image) => !this.images.has(image.key) && !this.failed.has(image.key));
    let done = images.length - missing.length;
    for (const group of batches(missing)) {
      await this.#addGroup(group, { signal, onWait });
      done += group.length;
      onProgress?.(done, images.length);
    }
  }

  /** Cosines by text and image, of those that have vectors. */
  cosines(texts, images) {
    return texts.map((text) => images.map((image) => dot(this.texts.get(text), this.images.get(image.key))));
  }

  async #addGroup(group, options) {
    let rest = group;
    while (rest.length) {
      try {
        const data = await this.#embed(await Promise.all(rest.map((image) => image.toInput())), options);
        rest.forEach((image, i) => this.images.set(image.key, decode(data[i].embedding)));
        return;
      } catch (error) {
        const place = /^input(?:\.(\d+))?$/.exec(error.param ?? "");
        if (!place) throw error;
        const bad = rest[Number(place[1] ?? 0)];
        this.failed.set(bad.key, error.message.replace(place[0], bad.name));
        rest = rest.filter((image) => image !== bad);
      }
    }
  }

  async #embed(input, options) {
    const body = { input, encoding_format: "base64" };
    if (this.model) body.model = this.model;
    return (await post("/v1/embeddings", body, options)).data;
  }
}
