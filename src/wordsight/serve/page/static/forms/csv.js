// Tables as CSV files that spreadsheets open without running anything.

const FORMULA = /^[\s]*[=+\-@\t\r]/; // what spreadsheets take for a formula (OWASP, "CSV Injection")
const NUMBER = /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i;

/** Cell of a CSV file; a text that a spreadsheet would compute gets an apostrophe in front. */
export function csvCell(value) {
  let text = value === null || value === undefined ? "" : String(value);
  if (typeof value !== "number" && FORMULA.test(text) && !NUMBER.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Rows as the text of a CSV file. */
export function toCsv(rows) {
  return rows.map((row) => `${row.map(csvCell).join(",")}\r\n`).join("");
}

/** Have the browser save a text as a file. */
export function download(name, text, type = "text/csv") {
  const mark = type === "text/csv" ? "\ufeff" : ""; // by which spreadsheets know UTF-8
  const url = URL.createObjectURL(new Blob([mark, text], { type: `${type};charset=utf-8` }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
