// One answer: what the chunks of its stream make of it. Pure: a new record for every chunk.

/**
 * @typedef {object} Picture A found picture, as the gateway tells it.
 * @property {string} id
 * @property {string} generation
 * @property {string} [index]
 * @property {number} score
 * @property {string} caption
 * @property {string} [media_type]
 * @property {string} url
 * @property {number} text_offset In code points.
 * @property {number} ret_index
 * @property {number} rank
 *
 * @typedef {{text_offset: number, ret_index: number, reason: string, message: string}} Unavailable
 *
 * @typedef {{message: string, code: string | null, param: string | null, status: number, retryAt: number | null,
 *   traceId: string | null}} Failure `retryAt` is a time of `Date.now()`; `status` is 0 without an HTTP answer.
 *
 * @typedef {object} Answer
 * @property {"running" | "done" | "stopped" | "failed"} state
 * @property {string} text What is shown.
 * @property {string} content The same with Markdown links for pictures: what the history tells if there is no transcript.
 * @property {Picture[]} images
 * @property {Unavailable[]} unavailable
 * @property {string | null} traceId
 * @property {{turns_left_out: number, turns_kept: number, max_positions: number} | null} historyCut
 * @property {string | null} transcript
 * @property {string[]} imageIds
 * @property {Record<string, number> | null} usage
 * @property {import("./timing.js").Timings | null} timings
 * @property {string | null} finishReason
 * @property {Failure | null} failure
 */

/** An answer of which nothing has come yet. @returns {Answer} */
export function begun() {
  return {
    state: "running",
    text: "",
    content: "",
    images: [],
    unavailable: [],
    traceId: null,
    historyCut: null,
    transcript: null,
    imageIds: [],
    usage: null,
    timings: null,
    finishReason: null,
    failure: null,
  };
}

/**
 * The answer after one more chunk. What is not known is passed over.
 * @param {Answer} answer
 * @param {any} chunk A `chat.completion.chunk`.
 * @returns {Answer}
 */
export function extended(answer, chunk) {
  const next = { ...answer };
  const choice = chunk?.choices?.[0];
  const told = chunk?.fondue ?? choice?.fondue ?? {};
  const content = typeof choice?.delta?.content === "string" ? choice.delta.content : "";
  next.content += content;
  if (typeof told.trace_id === "string") next.traceId = told.trace_id;
  if (told.history_cut) next.historyCut = told.history_cut;
  if (told.image) next.images = [...next.images, told.image];
  else next.text += content;
  if (told.unavailable) next.unavailable = [...next.unavailable, told.unavailable];
  if (choice?.finish_reason) {
    next.state = "done";
    next.text = typeof told.text === "string" ? told.text : next.text;
    next.transcript = typeof told.transcript === "string" ? told.transcript : null;
    next.imageIds = told.image_ids ?? next.images.map((image) => image.id);
    next.usage = told.usage ?? null;
    next.timings = told.timings ?? null;
    next.finishReason = told.finish_reason ?? choice.finish_reason;
  }
  return next;
}

/** Whether an answer belongs to the history that the model reads. @param {Answer} answer */
export function counts(answer) {
  return answer.state === "done" || (answer.state === "stopped" && answer.content !== "");
}
