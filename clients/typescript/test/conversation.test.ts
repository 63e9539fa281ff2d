/** Conversations against a fake gateway that edits its history as the contract tells; and dialogues, which this side keeps. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";

import { Code, ConnectError } from "@connectrpc/connect";

import {
  BrokenStream,
  Busy,
  Cancelled,
  DeadlineExceeded,
  Fondue,
  InvalidRequest,
  TurnFailed,
  Unavailable,
  Unsupported,
} from "@fondue/client";

import * as wire from "../src/wire/dialogue/v1/dialogue_pb.js";
import { done, failed, Gateway, started, text } from "./fake.js";

let gateway: Gateway;
beforeEach(() => {
  gateway = new Gateway();
});
afterEach(() => gateway.stop());

const history = [{ parts: ["a"], reply: "b" }];

describe("a conversation", { timeout: 60_000 }, () => {
  let client: Fondue;
  beforeEach(async () => {
    client = (await gateway.client("node")) as Fondue;
  });

  test("turns are told apart in any order of reading", async () => {
    const talk = client.converse();
    const [first, second] = [talk.say("one"), talk.say("two")];
    assert.equal((await second.wait()).text, "two [1]");
    assert.equal((await first.wait()).text, "one []");
    assert.deepEqual([first.number, second.number], [1, 2]);
    await talk.close();
    assert.throws(() => talk.say("three"), /closed/);
  });

  test("history is undone, reset and branched", async () => {
    const talk = client.converse({ history });
    const [first, second] = [talk.say("one"), talk.say("two")];
    assert.deepEqual(await talk.undo(), [0, 1]);
    assert.equal((await second.wait()).text, "two [0,1]");
    assert.deepEqual(await talk.branch(second.number), [0, 1, 2]);
    assert.deepEqual(await talk.reset(), []);
    assert.deepEqual(await talk.branch(0), [0]);
    assert.deepEqual(await talk.branch(first.number), [0, 1]);
    assert.equal((await talk.say("three").wait()).text, "three [0,1]");
    await talk.close();
  });

  test("an edit that cannot be done names its field and changes nothing", async () => {
    const talk = client.converse();
    await talk.say("one").wait();
    await assert.rejects(talk.undo(2), (error) => {
      assert.ok(error instanceof InvalidRequest);
      assert.equal(error.violations[0]?.field, "undo.turns");
      return true;
    });
    await assert.rejects(talk.branch(7), InvalidRequest);
    await assert.rejects(talk.undo(0), RangeError);
    assert.equal((await talk.say("two").wait()).text, "two [1]");
    await talk.close();
  });

  test("a turn that fails, or cannot be sent, leaves the conversation open", async () => {
    const talk = client.converse();
    await assert.rejects(talk.say("refuse").wait(), (error) => {
      assert.ok(error instanceof TurnFailed && error.cause instanceof Busy);
      assert.equal(error.retryAfterMs, 1500);
      return true;
    });
    await assert.rejects(talk.say(new URL("file:///there/is/no/such.png")).wait(), { code: "ENOENT" });
    assert.equal((await talk.say("one").wait()).text, "one []");
    await talk.close();
  });

  test("cancelling ends the running turn and keeps it", async () => {
    const talk = client.converse();
    const running = talk.say("wait");
    for await (const event of running) {
      if (event.type === "text") {
        break; // which cancels
      }
    }
    assert.equal((await running.wait()).done.reason, "cancelled");
    const stop = new AbortController();
    const other = talk.say("wait", { signal: stop.signal });
    stop.abort();
    assert.equal((await other.wait()).done.reason, "cancelled");
    const third = talk.say("wait");
    talk.cancel();
    assert.equal((await third.wait()).done.reason, "cancelled");
    assert.equal((await talk.say("four").wait()).text, "four [1,2,3]");
    await talk.close();
  });

  test("a waiting turn is cancelled when its time comes, and no other", async () => {
    const seen: (string | undefined)[] = [];
    let cancelled!: () => void;
    const wanted = new Promise<void>((resolve) => (cancelled = resolve));
    gateway.onConverse = async function* (requests) {
      for await (const { action } of requests) {
        seen.push(action.case);
        if (seen.length === 3) {
          yield started(1);
          await wanted;
          // What a server says of a turn that it refuses must not stop the one that runs.
          yield started(2);
          yield done("one", 1);
        } else if (action.case === "cancel") {
          yield done("", 2, wire.FinishReason.CANCELLED);
        }
      }
    };
    const talk = client.converse();
    const [first, second] = [talk.say("one"), talk.say("two")];
    await first[Symbol.asyncIterator]().next();
    second.cancel();
    cancelled();
    assert.equal((await first.wait()).done.reason, "stop");
    assert.equal((await second.wait()).done.reason, "cancelled");
    await talk.close();
    assert.deepEqual(seen, ["open", "turn", "turn", "cancel"]);
  });

  test("defaults and options are sent", async () => {
    const sent: wire.ConverseRequest["action"][] = [];
    gateway.onConverse = async function* (requests) {
      for await (const { action } of requests) {
        sent.push(action);
        if (action.case === "turn") {
          yield done("x", 1);
        }
      }
    };
    const talk = client.converse({ retBias: 2, generation: "g1" });
    await talk.say("one", { retBias: 3 }).wait();
    await talk.close();
    const [open, turn] = sent;
    assert.ok(open?.case === "open" && open.value.generation === "g1" && open.value.defaults?.retBias === 2);
    assert.ok(turn?.case === "turn" && turn.value.options?.retBias === 3);
  });

  test("a stream that ends early breaks what is open", async () => {
    gateway.onConverse = async function* (requests) {
      let n = 0;
      for await (const _ of requests) {
        if (++n === 3) {
          break;
        }
      }
      yield started(1);
      yield text("A short", 1);
    };
    const talk = client.converse();
    const turn = talk.say("one");
    await assert.rejects(talk.reset(), BrokenStream);
    await assert.rejects(turn.wait(), BrokenStream);
    assert.deepEqual([turn.text, turn.done], ["A short", undefined]);
    assert.throws(() => talk.say("two"), Unavailable);
    await talk.close();
  });

  test("an idle conversation tells why it is over", async () => {
    gateway.onConverse = async function* (requests) {
      for await (const { action } of requests) {
        if (action.case === "turn") {
          yield done("one", 1);
          throw new ConnectError("idle", Code.DeadlineExceeded);
        }
      }
    };
    const talk = client.converse();
    await talk.say("one").wait();
    await assert.rejects(talk.undo(), DeadlineExceeded);
    assert.throws(() => talk.say("two"), DeadlineExceeded);
    await talk.close();
  });

  test("aborting cancels what runs", async () => {
    gateway.onConverse = (_, context) => gateway.untilCancelled(1, context);
    const talk = client.converse();
    const turn = talk.say("one");
    await turn[Symbol.asyncIterator]().next();
    talk.abort();
    await assert.rejects(turn.wait(), Cancelled);
    await gateway.cancelled;
  });

  test("closing lets the turns that were sent finish", async () => {
    const talk = client.converse();
    const turns = [talk.say("one"), talk.say("two")];
    await talk.close();
    const texts = await Promise.all(turns.map(async (turn) => (await turn.wait()).text));
    assert.deepEqual(texts, ["one []", "two [1]"]);
  });

  test("browsers are told that there are none", async () => {
    const browser = await gateway.client("browser");
    assert.throws(() => browser.converse(), { name: Unsupported.name, code: Code.Unimplemented });
  });
});

for (const platform of ["node", "browser"] as const) {
  describe(`a dialogue in ${platform}`, { timeout: 60_000 }, () => {
    beforeEach(() => {
      gateway.onReply = ({ turn, history }) => {
        const words = String(turn?.parts[0]?.kind.value);
        return words === "refuse"
          ? [started(), failed(8)]
          : [started(), done(`${words} after ${history.map(({ reply }) => reply).join()}`)];
      };
    });

    test("history is kept, undone, reset and branched", async () => {
      const talk = (await gateway.client(platform)).dialogue({ history, retBias: 2 });
      const [first, second] = [talk.say("one"), talk.say("two", { retBias: 3 })];
      assert.equal((await second.wait()).text, "two after b,one after b [RET]");
      assert.equal((await first.wait()).text, "one after b");
      assert.deepEqual(gateway.asked.map(({ turn }) => turn?.options?.retBias), [2, 3]);
      assert.deepEqual(await talk.undo(), [0, 1]);
      assert.equal((await talk.say("three").wait()).text, "three after b,one after b [RET]");
      assert.deepEqual(await talk.branch(second.number), [0, 1, 2]);
      assert.deepEqual(await talk.reset(), []);
      assert.deepEqual(await talk.branch(0), [0]);
      assert.deepEqual(talk.history, history);
      await assert.rejects(talk.undo(2), InvalidRequest);
      await assert.rejects(talk.undo(0), InvalidRequest);
      await assert.rejects(talk.branch(9), { name: "InvalidRequest", violations: [{ field: "branch.after_turn", description: "turn 9 was not answered" }] });
      assert.deepEqual(talk.turns, [0]);
    });

    test("turns that fail or are cancelled leave the history as it was", async () => {
      const talk = (await gateway.client(platform)).dialogue();
      await assert.rejects(talk.say("refuse").wait(), { name: "TurnFailed" });
      const answer = gateway.onReply;
      gateway.onReply = (_, context) => gateway.untilCancelled(0, context);
      const running = talk.say("one");
      const waiting = talk.say("two");
      await running[Symbol.asyncIterator]().next();
      waiting.cancel();
      running.cancel();
      await gateway.cancelled;
      await assert.rejects(running.wait(), { name: Cancelled.name });
      await assert.rejects(waiting.wait(), { name: Cancelled.name });
      gateway.onReply = answer;
      assert.equal((await talk.say("three").wait()).text, "three after ");
      assert.deepEqual(talk.turns, [4]);
      gateway.onReply = () => [started()];
      await assert.rejects(talk.say("five").wait(), { name: BrokenStream.name });
      assert.deepEqual(talk.turns, [4]);
    });
  });
}
