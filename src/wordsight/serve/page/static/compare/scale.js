// The factor on cosines of the model that answers: the default gallery's, or the one that the server was started with.

import { call } from "../api.js";

let scale = null;

/** Factor on cosines before the softmax. Throws: ApiError, Error. */
export async function readScale() {
  if (scale !== null) return scale;
  const [first] = (await call("/v1/models")).data;
  if (!first?.facts) throw new Error(first?.problem || "The model is not loaded; try again in a moment.");
  scale = first.facts.scale;
  return scale;
}
