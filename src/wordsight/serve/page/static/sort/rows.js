// A sorting as rows of a table: image, label, and the probability of each class.

/** Rows, the names of the columns first. */
export function csvRows(answers) {
  const labels = [...new Set(answers.flatMap((one) => one.proba.map(([name]) => name)))];
  const rows = answers.map((one) => {
    const of = new Map(one.proba);
    const best = one.label === null ? "" : of.get(one.label);
    return [one.image.name, one.label ?? "", best, ...labels.map((name) => of.get(name) ?? "")];
  });
  return [["image", "label", "probability", ...labels], ...rows];
}
