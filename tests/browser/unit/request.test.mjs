import assert from "node:assert/strict";
import { test } from "node:test";
import { begun } from "../../../gateway/web/answer.js";
import { limitsOf, problemOf } from "../../../gateway/web/limits.js";
import { chatBody, wireBytes } from "../../../gateway/web/request.js";
import { fault, GROUPS, read } from "../../../gateway/web/settings.js";

const text = (words) => ({ kind: "text", text: words });
const field = (name) => GROUPS.flatMap((group) => group.fields).find((each) => each.name === name);

test("the path becomes messages; what failed is left out", async () => {
  const history = [
    { parts: [text("one")], answer: { ...begun(), state: "done", content: "1", transcript: "1 [RET]", imageIds: ["x"] } },
    { parts: [text("two")], answer: { ...begun(), state: "failed", content: "2" } },
    { parts: [text("three")], answer: { ...begun(), state: "stopped", content: "3" } },
  ];
  const body = await chatBody(history, [text("four")], {}, "fondue");
  assert.deepEqual(body, {
    model: "fondue",
    stream: true,
    messages: [
      { role: "user", content: [{ type: "text", text: "one" }] },
      { role: "assistant", content: "1", fondue: { transcript: "1 [RET]", image_ids: ["x"] } },
      { role: "user", content: [{ type: "text", text: "three" }] },
      { role: "assistant", content: "3" },
      { role: "user", content: [{ type: "text", text: "four" }] },
    ],
  });
});

test("pictures go in order with the text, as data or by address", async () => {
  const blob = new Blob([Uint8Array.from({ length: 70_000 }, (_, at) => at % 251)], { type: "image/png" });
  const parts = [text("a"), { kind: "image", blob, name: "x" }, { kind: "link", url: "/v1/images/g/x", caption: "" }, text("b")];
  const { messages } = await chatBody([], parts, {}, "fondue");
  const content = messages[0].content;
  assert.deepEqual(
    content.map((part) => part.type),
    ["text", "image_url", "image_url", "text"],
  );
  const sent = content[1].image_url.url;
  assert.ok(sent.startsWith("data:image/png;base64,"));
  assert.deepEqual(Buffer.from(sent.split(",")[1], "base64"), Buffer.from(await blob.arrayBuffer()));
  assert.equal(content[2].image_url.url, "/v1/images/g/x");
  assert.equal(wireBytes([parts]), sent.length - "data:image/png;base64,".length);
});

test("found pictures that the server holds come before what is said next, if that is set", async () => {
  const images = [
    { url: "/v1/images/g/x", caption: "a cat" },
    { url: "https://a.org/x", caption: "" },
  ];
  const history = [{ parts: [text("one")], answer: { ...begun(), state: "done", content: "1", images } }];
  const { messages, fondue } = await chatBody(history, [text("two")], { feed_back_images: true }, "fondue");
  assert.equal(fondue, undefined);
  assert.deepEqual(messages[2].content, [
    { type: "image_url", image_url: { url: "/v1/images/g/x" } },
    { type: "text", text: "two" },
  ]);
  const without = await chatBody(history, [text("two")], {}, "fondue");
  assert.equal(without.messages[2].content.length, 1);
});

test("settings go where the request has them, and only if they are set", async () => {
  const set = { temperature: 0.5, seed: 0, ret_bias: -1, index: undefined };
  const { temperature, seed, fondue, top_p } = await chatBody([], [text("x")], set, "fondue");
  assert.deepEqual(
    { temperature, seed, top_p, fondue },
    { temperature: 0.5, seed: 0, top_p: undefined, fondue: { ret_bias: -1 } },
  );
  assert.equal("fondue" in (await chatBody([], [text("x")], {}, "fondue")), false);
});

test("settings are checked", () => {
  assert.deepEqual(read(field("temperature"), ""), {});
  assert.deepEqual(read(field("temperature"), " 0.7 "), { value: 0.7 });
  for (const [name, typed] of [
    ["temperature", "-1"],
    ["temperature", "warm"],
    ["top_p", "0"],
    ["top_p", "1.1"],
    ["max_tokens", "1.5"],
    ["max_tokens", "0"],
    ["conditions", "{}"],
    ["conditions", "[1]"],
    ["conditions", "[nope"],
  ]) {
    assert.ok(read(field(name), typed).fault, `${name} ${typed}`);
  }
  assert.deepEqual(read(field("conditions"), '[{"field":"group"}]'), { value: [{ field: "group" }] });
  assert.equal(fault({ top_p: 0.9 })?.name, "top_p");
  assert.equal(fault({ top_p: 0.9, temperature: 1 }), null);
});

test("what cannot be sent is told before", () => {
  const limits = limitsOf({ message_bytes: 1024 * 1024, images_per_turn: 2 });
  const file = { name: "x.png", type: "image/png", size: 1000 };
  assert.equal(problemOf(file, 1, limits), null);
  assert.match(problemOf(file, 2, limits), /2 pictures at most/);
  assert.match(problemOf({ ...file, size: 800_000 }, 0, limits), /too large/);
  assert.match(problemOf({ ...file, size: 0 }, 0, limits), /empty/);
  assert.match(problemOf({ ...file, type: "image/svg+xml" }, 0, limits), /not a picture/);
});
