// Classes as people type them: one per line or by commas; "name: wording, wording" gives a class its wordings.

/** Classes of a text, name → wordings. Throws: Error that says what to change. */
export function readClasses(text) {
  const classes = new Map();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) add(classes, line.slice(0, colon), split(line.slice(colon + 1)));
    else for (const name of split(line)) add(classes, name, []);
  }
  if (!classes.size) throw new Error("Type at least one class, such as: cat, dog.");
  return classes;
}

function split(text) {
  return text.split(",").map((word) => word.trim()).filter(Boolean);
}

function add(classes, given, wordings) {
  const name = given.trim();
  if (classes.has(name)) throw new Error(`The class “${name}” is there twice; remove one.`);
  classes.set(name, wordings.length ? wordings : [name]);
}

/** Classes in the form that the API takes. */
export function toRequest(classes) {
  return Object.fromEntries(classes);
}
