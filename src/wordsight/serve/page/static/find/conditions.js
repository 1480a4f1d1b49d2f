// Conditions on columns as people read them.

export function describeCondition(column, test) {
  return `${nameColumn(column)}: ${describeTest(test)}`;
}

function describeTest(test) {
  if (test === null || typeof test !== "object") return showValue(test);
  if (test.in) return test.in.map(showValue).join(", ");
  const from = test.gte ?? test.gt;
  const to = test.lt ?? test.lte;
  if (typeof from === "string" && from === lastOf(test.lt, from)) return from; // a year, a month or a day
  if (from !== undefined && to !== undefined) return `${from} to ${isDay(test.lt) ? dayBefore(to) : to}`;
  if (from !== undefined) return `from ${from}`;
  if (to !== undefined) return test.lt === undefined ? `up to ${to}` : `under ${to}`;
  return JSON.stringify(test);
}

// "unitPrice" or "unit_price" → "Unit price"
export function nameColumn(column) {
  const words = column.replace(/([a-z])([A-Z])/g, "$1 $2").replaceAll("_", " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function showValue(value) {
  if (value === true) return "yes";
  if (value === false) return "no";
  return String(value);
}

export function without(filter, column) {
  const next = { ...filter };
  delete next[column];
  return next;
}

export function isDay(text) {
  return /^\d{4}-\d\d-\d\d$/.test(String(text));
}

export function dayAfter(day) {
  return shiftDay(day, 1);
}

export function dayBefore(day) {
  return shiftDay(day, -1);
}

function shiftDay(day, by) {
  return new Date(Date.parse(`${day}T00:00:00Z`) + by * 86_400_000).toISOString().slice(0, 10);
}

// Year, month or day (as long as `like` is) before the one that an open range ends with.
function lastOf(end, like) {
  const whole = `${end}-01-01`.slice(0, 10);
  return isDay(whole) && String(end).length === like.length ? dayBefore(whole).slice(0, like.length) : null;
}
