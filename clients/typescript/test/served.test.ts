/** The client against really running services, which `FONDUE_ADDRESS` names: over gRPC, and over gRPC-web as browsers do. */

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";

import * as browser from "@fondue/client/browser";
import * as node from "@fondue/client";

const address = process.env["FONDUE_ADDRESS"];
assert.ok(address, "set FONDUE_ADDRESS to the gateway of running services, for example 127.0.0.1:7400");
const url = `http://${address}`;

/** A red square of 8 by 8. */
const RED = Buffer.from(
  "Qk32AAAAAAAAADYAAAAoAAAACAAAAAgAAAABABgAAAAAAMAAAAATCwAAEwsAAAAAAAAAAAAA" + "AAD/".repeat(64),
  "base64",
);

for (const [name, client] of [
  ["gRPC", new node.Fondue(url, { timeoutMs: 120_000 })],
  ["gRPC-web", new browser.Fondue(url, { timeoutMs: 120_000 })],
] as const) {
  describe(name, { timeout: 300_000 }, () => {
    after(() => client.close());

    test("a turn brings text and pictures", async () => {
      const reply = client.reply("Can you find a rocket?", { retBias: 6 });
      let text = "";
      for await (const event of reply) {
        text += event.type === "text" ? event.text : "";
      }
      const answer = await reply.wait();
      assert.ok(text && text === answer.text && text === reply.text);
      assert.match(answer.started.traceId, /^[0-9a-f]{32}$/);
      assert.match(answer.done.transcript, /\[RET\]/);
      assert.ok(answer.images.length > 0);
      assert.equal(answer.done.usage?.imagesFound, answer.images.length);
      for (const image of answer.images) {
        assert.match(image.mediaType, /^image\//);
        assert.ok(browser.imageBlob(image).size > 0);
      }
    });

    test("pictures are read from wherever they are", async () => {
      const sources = [new Blob([RED]), new Uint8Array(RED), new URL(`data:image/bmp;base64,${RED.toString("base64")}`)];
      const texts = new Set<string>();
      for (const source of sources) {
        const answer = await client.reply([source, "What is this?"], { maxNewTokens: 4 }).wait();
        assert.equal(answer.done.usage?.imagesIn, 1);
        texts.add(answer.text);
      }
      assert.equal(texts.size, 1);
    });

    test("wrong requests name their fields", async () => {
      await assert.rejects(client.reply("Hello", { maxNewTokens: -1 }).wait(), (error: browser.FondueError) => {
        assert.equal(error.name, "InvalidRequest");
        assert.equal(error.violations[0]?.field, "turn.options.max_new_tokens");
        return true;
      });
      await assert.rejects(client.score("Hello"), { name: "InvalidRequest" });
    });

    test("a turn has a deadline", async () => {
      const reply = client.reply("Tell me everything.", { timeoutMs: 1, maxNewTokens: 500 });
      await assert.rejects(reply.wait(), { code: browser.Code.DeadlineExceeded });
    });

    test("pictures are ranked and continuations weighed", async () => {
      const found = await client.retrieve("a red apple", { k: 3, includeData: true });
      assert.equal(found.length, 3);
      assert.ok(found[0]!.score >= found[1]!.score && found[0]!.data.length > 0);
      const conditions = [{ field: "id", equals: found[1]!.id }];
      assert.deepEqual((await client.retrieve("a red apple", { conditions })).map(({ id }) => id), [found[1]!.id]);
      const scores = await client.score("Here is a", { candidates: [" rocket", " the of and"], withPrompt: true });
      const [likely, unlikely] = scores.candidates.map(({ logLikelihood, tokens }) => logLikelihood / tokens);
      assert.ok(likely! > unlikely! && scores.prompt!.tokens > 0);
    });

    test("a dialogue remembers and is edited", async () => {
      const talk = client.dialogue({ retBias: 6, maxImages: 1 });
      const first = await talk.say("Can you find a rocket?").wait();
      const second = await talk.say("Can you find a rocket?").wait();
      assert.ok(second.done.usage!.promptTokens > first.done.usage!.promptTokens);
      const shown = new Set(first.images.map(({ id }) => id));
      assert.ok(second.images.every(({ id }) => !shown.has(id)));
      assert.deepEqual(await talk.undo(), [1]);
      assert.equal((await talk.say("Can you find a rocket?").wait()).text, second.text);
      assert.deepEqual(await talk.branch(2), [1, 2]);
    });

    test("a signal cancels the turn", async () => {
      const stop = new AbortController();
      const options = { temperature: 50, maxNewTokens: 100, maxImages: 0, signal: stop.signal };
      const reply = client.reply("Tell me of the sea.", options);
      await reply[Symbol.asyncIterator]().next();
      stop.abort();
      await assert.rejects(reply.wait(), { name: "Cancelled" });
    });
  });
}

describe("a conversation", { timeout: 300_000 }, () => {
  const client = new node.Fondue(url);
  after(() => client.close());

  test("it remembers, and a running turn is cancelled", async () => {
    const talk = client.converse({ retBias: 6, maxImages: 1 });
    const first = await talk.say("Can you find a rocket?").wait();
    const second = await talk.say("Can you find a rocket?").wait();
    assert.ok(second.done.usage!.promptTokens > first.done.usage!.promptTokens);
    const running = talk.say("Tell me of the sea.", { temperature: 50, maxNewTokens: 100, maxImages: 0 });
    running.cancel();
    assert.equal((await running.wait()).done.reason, "cancelled");
    await talk.close();
  });

  test("its history is edited", async () => {
    const talk = client.converse({ maxImages: 1 });
    const first = await talk.say("Can you find a rocket?").wait();
    const second = await talk.say("Show me a tree.").wait();
    assert.deepEqual(await talk.undo(), [1]);
    assert.equal((await talk.say("Show me a tree.").wait()).text, second.text);
    assert.deepEqual(await talk.branch(second.number), [1, 2]);
    assert.deepEqual(await talk.reset(), []);
    assert.equal((await talk.say("Can you find a rocket?").wait()).text, first.text);
    await assert.rejects(talk.undo(2), node.InvalidRequest);
    await assert.rejects(talk.branch(99), node.InvalidRequest);
    await talk.close();
  });
});

