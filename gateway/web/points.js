// Offsets in text as the gateway counts them: in Unicode code points, where a string of the browser counts UTF-16 units.

/**
 * The place in `text`, in UTF-16 units, that lies `points` code points after its start; its length if there are fewer.
 * @param {string} text
 * @param {number} points
 * @returns {number}
 */
export function unitsAt(text, points) {
  let units = 0;
  for (let left = points; left > 0 && units < text.length; left -= 1) {
    units += (text.codePointAt(units) ?? 0) > 0xffff ? 2 : 1;
  }
  return units;
}

/**
 * What stands at a place of an answer: a picture, or word of one that is not there.
 * @typedef {{text_offset: number, ret_index: number, rank?: number}} Placed
 */

/**
 * A run of text, or things that stand together at one place of it.
 * @template {Placed} T
 * @typedef {{kind: "text", start: number, text: string} | {kind: "things", start: number, things: T[]}} Segment
 */

/**
 * Cuts a text at the places of things. Things of one place stand together, by `ret_index`, then by rank. A place behind the
 * end of the text is its end: more text may still come.
 * @template {Placed} T
 * @param {string} text
 * @param {T[]} things
 * @returns {Segment<T>[]} `start` is in code points, and names the segment as long as its place stands.
 */
export function segments(text, things) {
  const sorted = [...things].sort(
    (a, b) => a.text_offset - b.text_offset || a.ret_index - b.ret_index || (a.rank ?? 0) - (b.rank ?? 0),
  );
  /** @type {Segment<T>[]} */
  const found = [];
  let [points, units] = [0, 0];
  for (const thing of sorted) {
    const last = found.at(-1);
    if (last?.kind === "things" && last.start === thing.text_offset) {
      last.things.push(thing);
      continue;
    }
    const end = units + unitsAt(text.slice(units), thing.text_offset - points);
    if (end > units) found.push({ kind: "text", start: points, text: text.slice(units, end) });
    found.push({ kind: "things", start: thing.text_offset, things: [thing] });
    [points, units] = [thing.text_offset, end];
  }
  if (units < text.length) found.push({ kind: "text", start: points, text: text.slice(units) });
  return found;
}
