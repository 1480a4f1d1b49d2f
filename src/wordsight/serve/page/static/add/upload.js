// Sending files to a gallery, with the progress of what was sent.

import { ApiError } from "../api.js";

/** Job that adds files to a gallery. onProgress: called with (bytes sent, bytes in all). Throws: ApiError, AbortError. */
export function upload(files, gallery, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const form = new FormData();
    form.append("gallery", gallery);
    for (const file of files) form.append("files", file, file.name);
    const request = new XMLHttpRequest(); // fetch tells nothing of what was sent
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded, event.total));
    request.addEventListener("load", () => {
      try {
        resolve(readAnswer(request));
      } catch (error) {
        reject(error);
      }
    });
    request.addEventListener("error", () => reject(new ApiError("The server stopped taking the files. It may be "
      + "gone, or they may be more than it takes; try fewer at a time.", 0)));
    request.addEventListener("abort", () => reject(new DOMException("stopped", "AbortError")));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.open("POST", "/v1/items");
    request.setRequestHeader("Accept", "application/json");
    request.send(form);
  });
}

function readAnswer(request) {
  let content = null;
  try {
    content = JSON.parse(request.responseText);
  } catch {
    // said below
  }
  if (request.status >= 200 && request.status < 300 && content) return content;
  if (request.status === 401) throw new ApiError("You are signed out. Reload the page and sign in again.", 401);
  throw new ApiError(content?.error?.message ?? `The server answered ${request.status}.`, request.status,
    Number(request.getResponseHeader("Retry-After")) || null, content?.error?.param);
}
