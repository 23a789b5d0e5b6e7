// Recordings to the server, and the page that it answers with: a result's or a job's.

import { readProblem } from "./problem.js";
import { _ } from "./words.js";

// Some connections are slow.
const TIMEOUT_MS = 15 * 60 * 1000;

/** The message is for the user; behind it come the server's own words, if it has told any. */
export class UploadFailed extends Error {
  constructor(message, original = "") {
    super(message);
    this.original = original;
  }
}
export class UploadCancelled extends Error {}

/**
 * Resolves to {page, url}: the parsed document and its address.
 * onProgress gets the share that is sent, 0 to 1.
 */
export function upload(url, body, { onProgress, signal }) {
  return new Promise((resolve, reject) => {
    // fetch() cannot tell how far sending is.
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("Accept", "text/html");
    request.timeout = TIMEOUT_MS;
    request.upload.onprogress = ({ loaded, total }) => onProgress(total ? loaded / total : 0);
    request.upload.onload = () => onProgress(1);
    request.onload = () => {
      try {
        resolve(read(request));
      } catch (error) {
        reject(error);
      }
    };
    request.onabort = () => reject(new UploadCancelled());
    request.onerror = () => reject(new UploadFailed(unreachable()));
    request.ontimeout = () =>
      reject(
        new UploadFailed(
          _("No answer came in time. Your recording is still here to send again."),
        ),
      );
    if (signal.aborted) return reject(new UploadCancelled());
    signal.addEventListener("abort", () => request.abort());
    request.send(body);
  });
}

function unreachable() {
  const why = navigator.onLine
    ? _("Undertone does not answer; it may have been stopped.")
    : _("This device is offline, and Undertone cannot be reached.");
  return `${why} ${_("Your recording is still here: try again in a moment.")}`;
}

function read(request) {
  const isHtml = (request.getResponseHeader("Content-Type") ?? "").startsWith("text/html");
  const page = isHtml ? new DOMParser().parseFromString(request.responseText, "text/html") : null;
  if (request.status === 200 && page?.querySelector("[data-result], [data-job]")) {
    return { page, url: request.responseURL };
  }
  // The form's page, or an error's own, says what was wrong.
  const { words, original } = readProblem(page);
  throw new UploadFailed(
    words ||
      _("An answer came that this page does not understand (status %(status)s).", {
        status: request.status,
      }) +
        " " +
        _("Your recording is still here: try again in a moment."),
    original,
  );
}
