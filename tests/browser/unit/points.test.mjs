import assert from "node:assert/strict";
import { test } from "node:test";
import { segments, unitsAt } from "../../../gateway/web/points.js";

const at = (text_offset, ret_index = 0, rank = 0) => ({ text_offset, ret_index, rank });
/** Segments in short: texts as they are, things by `ret_index.rank`. */
const short = (text, things) =>
  segments(text, things).map((segment) =>
    segment.kind === "text" ? segment.text : segment.things.map((thing) => `${thing.ret_index}.${thing.rank}`),
  );

test("places are counted in code points", () => {
  assert.equal(unitsAt("a🚀b", 0), 0);
  assert.equal(unitsAt("a🚀b", 1), 1);
  assert.equal(unitsAt("a🚀b", 2), 3);
  assert.equal(unitsAt("a🚀b", 3), 4);
  assert.equal(unitsAt("a🚀b", 9), 4);
});

test("a text is cut where its pictures belong", () => {
  assert.deepEqual(short("🚀🚀 flew", [at(2)]), ["🚀🚀", ["0.0"], " flew"]);
  assert.deepEqual(short("flew", [at(0)]), [["0.0"], "flew"]);
  assert.deepEqual(short("flew", [at(4)]), ["flew", ["0.0"]]);
  assert.deepEqual(short("flew", []), ["flew"]);
  assert.deepEqual(short("", []), []);
});

test("pictures stand in the order of the text, whatever order they come in", () => {
  const things = [at(6, 2), at(3, 0, 1), at(3, 0, 0), at(3, 1)];
  assert.deepEqual(short("oneTWOthree", things), ["one", ["0.0", "0.1", "1.0"], "TWO", ["2.0"], "three"]);
});

test("a place that the text has not reached yet is its end", () => {
  assert.deepEqual(short("so", [at(5), at(9, 1)]), ["so", ["0.0"], ["1.0"]]);
});

test("a segment keeps its name while text grows behind it", () => {
  const starts = (text) => segments(text, [at(2), at(4, 1)]).map((segment) => `${segment.kind} ${segment.start}`);
  assert.deepEqual(starts("🫕abcd"), ["text 0", "things 2", "text 2", "things 4", "text 4"]);
  assert.deepEqual(starts("🫕abcdefgh"), starts("🫕abcd"));
});
