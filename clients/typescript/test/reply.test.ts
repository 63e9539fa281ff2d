/** One turn against a fake gateway, over gRPC and over gRPC-web: what is asked, what comes, and how it can end. */

import assert from "node:assert/strict";
import { mkdtemp, writeFile } from "node:fs/promises";
import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { promisify } from "node:util";

import { create } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";

import {
  BrokenStream,
  Busy,
  Cancelled,
  Code,
  DeadlineExceeded,
  FondueError,
  fromPath,
  imageBlob,
  InvalidRequest,
  TurnFailed,
  Unavailable,
  Unsupported,
} from "@fondue/client";

import * as wire from "../src/wire/dialogue/v1/dialogue_pb.js";
import { BadRequestSchema, RetryInfoSchema } from "../src/wire/google/rpc/error_details_pb.js";
import { done, event, failed, Gateway, started, text } from "./fake.js";

/** Rejects with just that class. */
function is(kind: new (...words: never[]) => FondueError, check: (error: FondueError) => void = () => undefined) {
  return (error: unknown) => {
    assert.equal((error as Error).constructor.name, kind.name, String(error));
    assert.ok(error instanceof kind);
    check(error);
    return true;
  };
}

for (const platform of ["node", "browser"] as const) {
  describe(platform, { timeout: 60_000 }, () => {
    let gateway: Gateway;
    beforeEach(() => {
      gateway = new Gateway();
    });
    afterEach(() => gateway.stop());

    test("events come typed and make up the answer", async () => {
      const client = await gateway.client(platform);
      const reply = client.reply("Hello");
      const types = [];
      for await (const each of reply) {
        types.push(each.type);
      }
      assert.deepEqual(types, ["started", "text", "text", "done"]);
      assert.equal(reply.text, "Good day");
      assert.equal(reply.done?.reason, "stop");
      const answer = await reply.wait();
      assert.deepEqual(answer.exchange, { parts: ["Hello"], reply: "Good day [RET]", imageIds: [] });
    });

    test("what is asked is what was said", async () => {
      const client = await gateway.client(platform, { headers: { authorization: "Bearer x" } });
      const before = await client.reply("Hello").wait();
      const said = [new Blob(["cat"]), { picture: new Uint8Array([1, 2]), fit: "squash" as const }, "What is it?"];
      const linked = new URL("https://example.org/cat.png");
      const inline = new URL("data:image/png;base64,Y2F0");
      const options = { maxNewTokens: 7, stop: ["."], compat: "reference" as const, seed: 0, maxImages: 0 };
      const conditions = [{ field: "year", range: { atLeast: 1990 } }, { field: "group", equals: "cats", negate: true }];
      await client.reply([...said, linked, inline], { history: [before.exchange], conditions, ...options }).wait();
      const turn = gateway.asked[1]!.turn!;
      const images = turn.parts.flatMap(({ kind }) => (kind.case === "image" ? [kind.value] : []));
      assert.deepEqual(images.map(({ data }) => Buffer.from(data).toString("latin1")), ["cat", "\x01\x02", "", "cat"]);
      assert.equal(images[1]!.fit, wire.ImageFit.SQUASH);
      assert.equal(images[2]!.url, "https://example.org/cat.png");
      assert.equal(turn.parts[2]!.kind.value, "What is it?");
      const given = turn.options!;
      assert.deepEqual([given.maxNewTokens, given.stop, given.compat], [7, ["."], wire.Compat.REFERENCE]);
      assert.deepEqual([given.seed, given.maxImages, given.temperature], [0n, 0, undefined]);
      const [year, group] = given.conditions.map(({ test }) => test);
      assert.ok(year?.case === "range" && year.value.atLeast === 1990 && year.value.below === undefined);
      assert.ok(group?.case === "equals" && group.value.value.value === "cats" && given.conditions[1]!.negate);
      assert.equal(gateway.asked[1]!.history[0]!.reply, "Good day [RET]");
      assert.equal(gateway.headers.get("authorization"), "Bearer x");
    });

    test("what is no part or no option is refused here", async () => {
      const client = await gateway.client(platform);
      await assert.rejects(client.reply(3 as never).wait(), TypeError);
      await assert.rejects(client.reply("a", { compat: "published" as never }).wait(), TypeError);
      await assert.rejects(client.reply("a", { conditions: [{ field: "b" }] }).wait(), TypeError);
      assert.equal(gateway.asked.length, 0);
    });

    test("files are read where there are files", async () => {
      const client = await gateway.client(platform);
      const file = join(await mkdtemp(join(tmpdir(), "fondue-")), "cat.png");
      await writeFile(file, "cat");
      const reply = client.reply(fromPath(file)).wait();
      if (platform === "browser") {
        await assert.rejects(reply, /no files/);
        return;
      }
      await reply;
      const { kind } = gateway.asked[0]!.turn!.parts[0]!;
      assert.ok(kind.case === "image" && Buffer.from(kind.value.data).toString() === "cat");
      await assert.rejects(client.reply(fromPath(`${file}.not`)).wait(), { code: "ENOENT" });
    });

    test("large pictures pass both ways", async () => {
      gateway.onReply = (request) => {
        const { kind } = request.turn!.parts[0]!;
        assert.ok(kind.case === "image");
        const value = { id: "large", mediaType: "image/png", data: kind.value.data };
        return [started(), event({ case: "image", value }), done("")];
      };
      const client = await gateway.client(platform);
      const answer = await client.reply(new Uint8Array(20 << 20)).wait();
      assert.equal(imageBlob(answer.images[0]!).size, 20 << 20);
    });

    test("unknown events are passed over", async () => {
      const unknown = create(wire.EventSchema);
      unknown.$unknown = [{ no: 99, wireType: 2, data: new Uint8Array([0]) }];
      gateway.onReply = () => [unknown, started(), done("day")];
      const client = await gateway.client(platform);
      assert.equal((await client.reply("Hello").wait()).text, "day");
    });

    const classes: [Code, new (...words: never[]) => FondueError][] = [
      [Code.InvalidArgument, InvalidRequest],
      [Code.ResourceExhausted, InvalidRequest],
      [Code.Unavailable, Unavailable],
      [Code.DeadlineExceeded, DeadlineExceeded],
      [Code.Unimplemented, Unsupported],
      [Code.NotFound, FondueError],
    ];
    for (const [code, kind] of classes) {
      test(`${Code[code]} has its class`, async () => {
        gateway.onReply = () => {
          throw new ConnectError("no", code);
        };
        const client = await gateway.client(platform);
        const told = is(kind, (error) => assert.deepEqual([error.code, error.message], [code, "no"]));
        await assert.rejects(client.reply("Hello").wait(), told);
      });
    }

    test("details name the fields and the delay", async () => {
      const client = await gateway.client(platform);
      const fieldViolations = [{ field: "turn.parts[0]", description: "is wrong" }];
      const bad = { desc: BadRequestSchema, value: { fieldViolations } };
      gateway.onReply = () => {
        throw new ConnectError("no", Code.InvalidArgument, undefined, [bad]);
      };
      await assert.rejects(
        client.reply("Hello").wait(),
        is(InvalidRequest, (error) => assert.deepEqual(error.violations, fieldViolations)),
      );
      gateway.onScore = () => {
        const retry = { desc: RetryInfoSchema, value: { retryDelay: { seconds: 2n, nanos: 500_000_000 } } };
        throw new ConnectError("no", Code.ResourceExhausted, undefined, [retry]);
      };
      await assert.rejects(
        client.score("Hello"),
        is(Busy, (error) => assert.equal(error.retryAfterMs, 2500)),
      );
    });

    test("a failed turn throws with what it had sent", async () => {
      gateway.onReply = () => [started(), text("Well"), failed(14, 0, { text: "Well", retryDelayMs: 250 })];
      const client = await gateway.client(platform);
      const reply = client.reply("Hello");
      const told = is(TurnFailed, (error) => {
        assert.deepEqual([error.code, (error as TurnFailed).text, error.retryAfterMs], [Code.Unavailable, "Well", 250]);
        assert.ok(error.cause instanceof Unavailable);
      });
      await assert.rejects(reply.wait(), told);
      await assert.rejects(reply.wait(), told);
      assert.equal(reply.done, undefined);
    });

    test("a stream without its closing event is broken", async () => {
      const client = await gateway.client(platform);
      gateway.onReply = () => [started(), text("A short")];
      const reply = client.reply("Hello");
      await assert.rejects(reply.wait(), is(BrokenStream));
      assert.deepEqual([reply.text, reply.done], ["A short", undefined]);
      gateway.onReply = () => [];
      await assert.rejects(client.reply("Hello").wait(), is(BrokenStream));
      gateway.onReply = async function* () {
        yield started();
        throw new ConnectError("no", Code.Unavailable);
      };
      await assert.rejects(
        client.reply("Hello").wait(),
        is(BrokenStream, (error) => assert.ok(error.cause instanceof Unavailable)),
      );
    });

    test("a connection that is lost within the answer is a broken stream", async () => {
      gateway.onReply = (_, context) => gateway.untilCancelled(0, context);
      const client = await gateway.client(platform);
      const reply = client.reply("Hello");
      const events = reply[Symbol.asyncIterator]();
      await events.next();
      gateway.drop();
      await assert.rejects(reply.wait(), is(BrokenStream));
    });

    test("nobody there is unavailable", async () => {
      const client = await gateway.client(platform);
      gateway.drop();
      await assert.rejects(client.reply("Hello").wait(), is(Unavailable));
    });

    test("leaving the loop cancels the turn", async () => {
      gateway.onReply = (_, context) => gateway.untilCancelled(0, context);
      const client = await gateway.client(platform);
      const reply = client.reply("Hello");
      for await (const each of reply) {
        if (each.type === "text") {
          break;
        }
      }
      await gateway.cancelled;
      await assert.rejects(reply.wait(), is(Cancelled));
    });

    test("a signal cancels the turn", async () => {
      gateway.onReply = (_, context) => gateway.untilCancelled(0, context);
      const client = await gateway.client(platform);
      const stop = new AbortController();
      const waiting = client.reply("Hello", { signal: stop.signal }).wait();
      setImmediate(() => stop.abort());
      await assert.rejects(waiting, is(Cancelled));
      await assert.rejects(client.retrieve("Hello", { signal: stop.signal }), is(Cancelled));
    });

    test("a call that was left holds no process", async () => {
      gateway.onReply = (_, context) => gateway.untilCancelled(0, context);
      await gateway.client(platform);
      const entry = import.meta.resolve(platform === "node" ? "@fondue/client" : "@fondue/client/browser");
      const script = `
        const { Fondue } = await import(${JSON.stringify(entry)});
        const fondue = new Fondue(${JSON.stringify(gateway.url)}, { timeoutMs: 600_000 });
        const stop = new AbortController();
        for await (const event of fondue.reply("Hello")) break;
        try {
          for await (const event of fondue.reply("Hello", { signal: stop.signal })) if (event.type === "text") stop.abort();
        } catch (error) {
          console.log(error.name);
        }
        fondue.close();
      `;
      const words = ["--input-type=module", "--eval", script];
      // Killed, and so rejected, if it does not end by itself.
      const { stdout } = await promisify(execFile)(process.execPath, words, { timeout: 40_000 });
      assert.equal(stdout, "Cancelled\n");
    });

    test("the call has a deadline of its own", async () => {
      gateway.onReply = (_, context) => gateway.untilCancelled(0, context);
      const client = await gateway.client(platform, { timeoutMs: 300 });
      await assert.rejects(client.reply("Hello").wait(), is(DeadlineExceeded));
    });

    test("pictures are ranked and continuations weighed", async () => {
      const client = await gateway.client(platform);
      gateway.onRetrieve = ({ k, excludedIds }) => ({ images: [{ id: `${k} ${excludedIds}`, score: 0.5 }] });
      const [found] = await client.retrieve("Hello", { k: 3, excludedIds: ["a"] });
      assert.deepEqual([found?.type, found?.id, found?.score], ["image", "3 a", 0.5]);
      gateway.onScore = ({ candidates }) => ({ scores: candidates.map((each) => ({ tokens: each.length })) });
      const scores = await client.score("Hello", { candidates: ["a", "bc"] });
      assert.deepEqual(scores, { candidates: [{ logLikelihood: 0, tokens: 1 }, { logLikelihood: 0, tokens: 2 }] });
    });
  });
}
