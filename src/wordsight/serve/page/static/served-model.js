// The model that answers: the default gallery's, or the one that the server was started with.

import { call } from "./api.js";

let model = null;

/** Its name, scale of cosines, and bias (null where texts exclude each other). Throws: ApiError. */
export async function readModel() {
  if (model) return model;
  const [first] = (await call("/v1/models")).data;
  if (!first?.facts) throw new Error(first?.problem || "The model is not loaded; try again in a moment.");
  model = { name: first.id, scale: first.facts.scale, bias: first.facts.bias ?? null };
  return model;
}
