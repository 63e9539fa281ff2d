import assert from "node:assert/strict";
import { test } from "node:test";
import { layout, spoken } from "../../../gateway/web/timing.js";

const short = ({ bars }) => bars.map((bar) => `${bar.kind} ${bar.start}+${bar.length} @${bar.lane}`);

test("parts follow on each other and searches lie where they ran", () => {
  const timings = { fetch_ms: 5, vision_ms: 40, queue_ms: 0, prefill_ms: 55, decode_ms: 300, total_ms: 410 };
  const found = layout({ ...timings, searches: [{ ret_index: 0, start_ms: 150, end_ms: 200 }] });
  assert.deepEqual(short(found), ["fetch 0+5 @0", "vision 5+40 @0", "prefill 45+55 @0", "decode 100+300 @0", "search 150+50 @1"]);
  assert.equal(found.total, 410);
  assert.equal(found.lanes, 2);
});

test("searches that overlap get lanes of their own, others share one", () => {
  const searches = [
    { ret_index: 0, start_ms: 10, end_ms: 50 },
    { ret_index: 2, start_ms: 50, end_ms: 60 },
    { ret_index: 1, start_ms: 20, end_ms: 30 },
  ];
  const found = layout({ total_ms: 100, searches });
  assert.deepEqual(short(found), ["search 10+40 @1", "search 20+10 @2", "search 50+10 @1"]);
  assert.equal(found.lanes, 3);
});

test("no bar goes beyond the axis, whatever is told", () => {
  for (const timings of [
    { decode_ms: 90, total_ms: 50, searches: [{ ret_index: 0, start_ms: 40, end_ms: 120 }] },
    { decode_ms: Number.NaN, vision_ms: -3, total_ms: 7, searches: [{ ret_index: 0, start_ms: 9, end_ms: 2 }] },
    {},
  ]) {
    const { bars, total } = layout(timings);
    for (const bar of bars) assert.ok(bar.start >= 0 && bar.length >= 0 && bar.start + bar.length <= total, JSON.stringify(bar));
  }
});

test("times are told as people read them", () => {
  assert.deepEqual([0, 3.21, 42.4, 999, 1234, 56789].map(spoken), ["0.0 ms", "3.2 ms", "42 ms", "999 ms", "1.23 s", "56.8 s"]);
});
