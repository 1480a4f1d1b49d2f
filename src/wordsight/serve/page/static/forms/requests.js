// Requests that wait for a busy server, and jobs that take a while.

import { ApiError, call } from "../api.js";

const TRIES = 5;
const LONGEST_WAIT = 20; // seconds

/** JSON of a POST; a busy server is asked again after the time that it names. Throws: ApiError, AbortError. */
export async function post(path, body, { signal, onWait } = {}) {
  for (let tried = 1; ; tried += 1) {
    try {
      return await call(path, body, { signal });
    } catch (error) {
      if (error.status !== 429 || tried === TRIES) throw error;
      const seconds = Math.min(error.retryAfter || 1, LONGEST_WAIT);
      onWait?.(seconds);
      await wait(1000 * seconds, signal);
    }
  }
}

/** Promise of a time. Throws: AbortError where the signal ends it. */
export function wait(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(new DOMException("stopped", "AbortError"));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Last state of a job: asked for until it has ended, `onProgress` told each time; the signal cancels it.
 *
 * Throws: ApiError, AbortError.
 */
export async function watchJob(id, onProgress, signal) {
  const path = `/v1/jobs/${encodeURIComponent(id)}`;
  try {
    for (let pause = 150; ; pause = Math.min(1000, pause * 1.4)) {
      const job = await call(path, undefined, { signal });
      onProgress(job);
      if (job.state === "done") return job;
      if (job.state === "failed" || job.state === "cancelled") {
        throw new ApiError(job.message || "The server could not finish this.", 0);
      }
      await wait(pause, signal);
    }
  } catch (error) {
    if (error.name === "AbortError") call(path, undefined, { method: "DELETE" }).catch(() => {});
    throw error;
  }
}

let galleries = null;

/** Galleries of the server; asked for once, or again with `fresh`. Throws: ApiError. */
export function listGalleries(fresh = false) {
  if (!galleries || fresh) {
    galleries = call("/v1/galleries").then((answer) => answer.galleries);
    galleries.catch(() => { galleries = null; });
  }
  return galleries;
}
