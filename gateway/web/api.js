// Talks to the gateway: one function a call. Whatever goes wrong comes out as an `ApiError`.

import { keys } from "./key_dialog.js";
import { chunksOf, events } from "./sse.js";

/** A call that failed. */
export class ApiError extends Error {
  /** @param {import("./answer.js").Failure} failure */
  constructor(failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** @param {string} message @param {string} code @returns {ApiError} */
const local = (message, code) => new ApiError({ message, code, param: null, status: 0, retryAt: null, traceId: null });

/**
 * @typedef {object} Facts What the gateway tells of itself; all that is missing is unknown.
 * @property {string} [version]
 * @property {string[]} [models]
 * @property {{name: string, generation: string | null, rows: number | null}[]} [indexes] Without a generation: out of reach.
 * @property {Record<string, number>} [limits]
 * @property {Record<string, unknown>} [defaults]
 * @property {string} [trace_url] Where a trace can be looked at: `{trace_id}` stands for its id.
 */

/** @returns {Promise<Facts>} */
export async function facts() {
  return (await call("/v1/fondue")).json();
}

/**
 * Asks for an answer.
 * @param {object} body
 * @param {AbortSignal} signal
 * @param {(chunk: any) => void} take Is given every chunk.
 * @returns {Promise<void>} When the answer has come to its end. A stream that ends without one is an error.
 */
export async function chat(body, signal, take) {
  const response = await call("/v1/chat/completions", body, signal);
  if (!response.body) throw local("The gateway's answer has no body.", "stream_cut");
  let finished = false;
  try {
    for await (const data of events(chunksOf(response.body))) {
      if (data === "[DONE]") break;
      const chunk = parsed(data);
      if (chunk.error) throw new ApiError(failureOf(chunk.error, response));
      take(chunk);
      finished ||= Boolean(chunk.choices?.[0]?.finish_reason);
    }
  } catch (error) {
    if (finished) return;
    if (signal.aborted || error instanceof ApiError) throw error;
    throw local("The connection to the gateway was lost in the middle of the answer.", "stream_cut");
  }
  if (!finished) throw local("The answer broke off: the gateway closed the stream before its end.", "stream_cut");
}

/**
 * Searches the index.
 * @param {{input: string | object[], k: number}} body
 * @param {AbortSignal} signal
 * @returns {Promise<import("./answer.js").Picture[]>}
 */
export async function searchImages(body, signal) {
  return (await (await call("/v1/images/search", body, signal)).json()).data ?? [];
}

/** @param {string} path @param {object} [body] @param {AbortSignal} [signal] */
async function call(path, body, signal) {
  /** @type {RequestInit} */
  const init = { signal: signal ?? null, credentials: "same-origin" };
  if (body) {
    Object.assign(init, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  }
  let response;
  try {
    response = await keys.fetch(path, init);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw local("The gateway cannot be reached. Is it running, and are you connected?", "unreachable");
  }
  if (response.ok) return response;
  const told = await response.json().catch(() => ({}));
  throw new ApiError(failureOf(told.error ?? {}, response));
}

/** @param {string} data */
function parsed(data) {
  try {
    return JSON.parse(data) ?? {};
  } catch {
    throw local("The gateway sent something that cannot be read.", "stream_cut");
  }
}

/** @param {any} error @param {Response} response @returns {import("./answer.js").Failure} */
function failureOf(error, response) {
  const wait = Number(response.headers.get("retry-after") ?? Number.NaN);
  return {
    message: error.message ?? `The gateway answered with status ${response.status}.`,
    code: error.code ?? null,
    param: error.param ?? null,
    status: response.status,
    retryAt: Number.isFinite(wait) ? Date.now() + wait * 1000 : null,
    traceId: response.headers.get("x-request-id"),
  };
}
