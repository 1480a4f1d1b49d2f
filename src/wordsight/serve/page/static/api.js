// Requests to the server that the page came from. Errors have a message for people.

export class ApiError extends Error {
  constructor(message, status, retryAfter, param = null) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
    this.param = param; // place in the request that is at fault
  }
}

// The answer's JSON. body: sent as JSON. signal: aborts. Throws ApiError, or AbortError.
export async function call(path, body, { method = body === undefined ? "GET" : "POST", signal } = {}) {
  const how = { method, signal, headers: {}, credentials: "same-origin" };
  if (body !== undefined) {
    how.headers["Content-Type"] = "application/json";
    how.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(path, how);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server does not answer. Is it still running?", 0);
  }
  return readAnswer(answer);
}

export async function readAnswer(answer) {
  const text = await answer.text();
  let json = null;
  try {
    json = text ? JSON.parse(text) : null;
  } catch {
    // said below
  }
  if (answer.ok) return json;
  if (answer.status === 401) location.assign("/login?next=" + encodeURIComponent(location.pathname + location.search));
  const message = json?.error?.message ?? `The server answered ${answer.status}.`;
  throw new ApiError(message, answer.status, Number(answer.headers.get("Retry-After")) || null, json?.error?.param);
}

// Resolves once the models are warm; calls onWait while they are not.
export async function whenReady(onWait = () => {}) {
  for (let wait = 200; ; wait = Math.min(2000, wait * 1.5)) {
    try {
      const answer = await fetch("/readyz");
      if (answer.ok) return;
      onWait();
    } catch {
      onWait();
    }
    await new Promise((done) => setTimeout(done, wait));
  }
}

// A file as a data: URI.
export function readAsDataUri(file) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => failed(new ApiError(`${file.name} cannot be read.`, 0));
    reader.readAsDataURL(file);
  });
}
