import assert from "node:assert/strict";
import { test } from "node:test";
import { chunksOf, events } from "../../../gateway/web/sse.js";

const bytes = new TextEncoder();

/** The events of a stream that comes in these pieces. */
async function read(pieces) {
  const chunks = (async function* () {
    yield* pieces.map((piece) => (typeof piece === "string" ? bytes.encode(piece) : piece));
  })();
  const found = [];
  for await (const data of events(chunks)) found.push(data);
  return found;
}

const STREAM = 'data: {"text":"Käse 🫕"}\n\n: a comment\nevent: x\ndata: one\ndata: two\n\ndata:\n\ndata: [DONE]\n\n';
const EVENTS = ['{"text":"Käse 🫕"}', "one\ntwo", "", "[DONE]"];

for (const [name, end] of [
  ["LF", "\n"],
  ["CRLF", "\r\n"],
  ["CR", "\r"],
]) {
  test(`a stream with ${name} is the same wherever its chunks end`, async () => {
    const whole = bytes.encode(STREAM.replaceAll("\n", end));
    assert.deepEqual(await read([whole]), EVENTS);
    for (let at = 0; at <= whole.length; at += 1) {
      assert.deepEqual(await read([whole.subarray(0, at), whole.subarray(at)]), EVENTS, `cut at byte ${at}`);
    }
    assert.deepEqual(await read([...whole].map((byte) => Uint8Array.of(byte))), EVENTS, "byte by byte");
  });
}

test("an event that the end cuts off is dropped", async () => {
  assert.deepEqual(await read(["data: whole\n\ndata: ha"]), ["whole"]);
  assert.deepEqual(await read(["data: whole\n\ndata: half\n"]), ["whole"]);
});

test("one blank after the colon goes, and no other", async () => {
  assert.deepEqual(await read(["data:  two\n\ndata:none\n\ndatabase: x\n\n"]), [" two", "none"]);
});

test("leaving the loop gives the stream up", async () => {
  let gaveUp = false;
  const body = new ReadableStream({
    pull: (controller) => controller.enqueue(bytes.encode("data: x\n\n")),
    cancel: () => (gaveUp = true),
  });
  for await (const data of events(chunksOf(body))) if (data === "x") break;
  assert.equal(gaveUp, true);
});
