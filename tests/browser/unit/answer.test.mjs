import assert from "node:assert/strict";
import { test } from "node:test";
import { begun, counts, extended } from "../../../gateway/web/answer.js";

const chunk = (delta, fondue, finish_reason = null) => ({ choices: [{ index: 0, delta, finish_reason }], fondue });
const all = (...chunks) => chunks.reduce(extended, begun());
const image = {
  id: "x",
  generation: "g",
  score: 0.5,
  caption: "a cat",
  url: "/v1/images/g/x",
  text_offset: 3,
  ret_index: 0,
  rank: 0,
};

test("text is what is shown, content is what the history tells", () => {
  const answer = all(
    chunk(
      { role: "assistant", content: "" },
      { trace_id: "t", history_cut: { turns_left_out: 1, turns_kept: 2, max_positions: 9 } },
    ),
    chunk({ content: "Hi," }),
    chunk({ content: "\n![a cat](/v1/images/g/x#ret=0&at=3)\n" }, { image }),
    chunk({ content: " you" }),
  );
  assert.equal(answer.text, "Hi, you");
  assert.equal(answer.content, "Hi,\n![a cat](/v1/images/g/x#ret=0&at=3)\n you");
  assert.deepEqual(answer.images, [image]);
  assert.equal(answer.traceId, "t");
  assert.equal(answer.historyCut.turns_left_out, 1);
  assert.equal(answer.state, "running");
});

test("the last chunk tells what counts", () => {
  const told = {
    text: "Hi",
    transcript: "Hi [RET]",
    image_ids: ["x"],
    usage: { prompt_tokens: 3 },
    timings: { total_ms: 1 },
    finish_reason: "LENGTH",
  };
  const answer = all(chunk({ content: "Hi" }), chunk({}, told, "length"), { choices: [], usage: {} });
  assert.equal(answer.state, "done");
  assert.equal(answer.transcript, "Hi [RET]");
  assert.deepEqual(answer.imageIds, ["x"]);
  assert.equal(answer.finishReason, "LENGTH");
});

test("what is not known is passed over, and no record is changed", () => {
  const before = Object.freeze(begun());
  assert.deepEqual(extended(before, { surprise: 1 }), begun());
  assert.deepEqual(extended(before, null), begun());
  assert.equal(
    extended(before, chunk({}, { unavailable: { text_offset: 0, ret_index: 0, reason: "LIMIT", message: "" } })).unavailable
      .length,
    1,
  );
});

test("an answer counts if it is whole, or stopped after it said something", () => {
  assert.equal(counts({ ...begun(), state: "done" }), true);
  assert.equal(counts({ ...begun(), state: "stopped", content: "Hal" }), true);
  assert.equal(counts({ ...begun(), state: "stopped" }), false);
  assert.equal(counts({ ...begun(), state: "failed", content: "Hal" }), false);
});
