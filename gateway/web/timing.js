// Where a turn's time went, laid out on one axis. Pure.

/**
 * @typedef {Partial<Record<"fetch_ms" | "vision_ms" | "queue_ms" | "prefill_ms" | "first_token_ms" | "first_text_ms" |
 *   "decode_ms" | "search_ms" | "total_ms", number>> &
 *   {searches?: {ret_index: number, start_ms: number, end_ms: number}[]}} Timings
 *
 * @typedef {{kind: string, label: string, start: number, length: number, lane: number}} Bar In milliseconds; a lane holds no
 *   two bars that overlap.
 */

/** What follows on each other in a turn, in order. */
const PARTS = /** @type {const} */ ([
  ["fetch", "Fetching pictures"],
  ["vision", "Seeing pictures"],
  ["queue", "Waiting"],
  ["prefill", "Reading the prompt"],
  ["decode", "Writing"],
]);

/** A time that can be drawn. @param {unknown} value */
const time = (value) => (typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0);

/**
 * The bars of a turn. The parts follow on each other from 0, since only their lengths are told; the searches lie where they
 * ran, below.
 * @param {Timings} timings
 * @returns {{bars: Bar[], total: number, lanes: number}} `total` is the end of the axis: no bar goes beyond it.
 */
export function layout(timings) {
  /** @type {Bar[]} */
  const bars = [];
  let end = 0;
  for (const [kind, label] of PARTS) {
    const length = time(timings[`${kind}_ms`]);
    if (length > 0) bars.push({ kind, label, start: end, length, lane: 0 });
    end += length;
  }
  /** @type {number[]} */
  const ends = [end];
  const searches = [...(timings.searches ?? [])].sort((a, b) => time(a.start_ms) - time(b.start_ms));
  for (const search of searches) {
    const start = time(search.start_ms);
    const length = Math.max(0, time(search.end_ms) - start);
    let lane = 1;
    while ((ends[lane] ?? 0) > start) lane += 1;
    ends[lane] = start + length;
    bars.push({ kind: "search", label: `Search ${search.ret_index + 1}`, start, length, lane });
  }
  return { bars, total: Math.max(time(timings.total_ms), ...ends), lanes: ends.length };
}

/** A length of time for people. @param {number} ms */
export function spoken(ms) {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}
