/** A gateway of the tests' own, in this process: it answers as a test tells it to. Speaks gRPC and gRPC-web. */

import { createServer as createHttp1 } from "node:http";
import { createServer as createHttp2, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { setImmediate } from "node:timers/promises";

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";

import { Fondue as BrowserFondue } from "@fondue/client/browser";
import { Fondue } from "@fondue/client";

import * as wire from "../src/wire/dialogue/v1/dialogue_pb.js";

export type Events = AsyncIterable<wire.Event> | Iterable<wire.Event>;
type Kind = MessageInitShape<typeof wire.EventSchema>["kind"];

export function event(kind: Kind, turn = 0): wire.Event {
  return create(wire.EventSchema, { turn, kind });
}

export const started = (turn = 0) => event({ case: "started", value: { turnId: `turn-${turn}`, traceId: "0" } }, turn);
export const text = (words: string, turn = 0) => event({ case: "text", value: { text: words } }, turn);
export const done = (words: string, turn = 0, reason = wire.FinishReason.STOP) =>
  event({ case: "done", value: { reason, text: words, transcript: `${words} [RET]`, usage: {} } }, turn);
export const failed = (code: number, turn = 0, more: object = {}) =>
  event({ case: "failed", value: { code, message: "no", ...more } }, turn);
const changed = (turns: number[]) => event({ case: "historyChanged", value: { turns } });
const editFailed = (field: string) =>
  event({ case: "editFailed", value: { code: 3, message: "no", violations: [{ field, description: "is not there" }] } });

/** What the calls do; a test sets what it needs. */
export class Gateway {
  onReply: (request: wire.ReplyRequest, context: HandlerContext) => Events = () => [
    started(),
    text("Good "),
    text("day"),
    done("Good day"),
  ];
  onConverse: (requests: AsyncIterable<wire.ConverseRequest>, context: HandlerContext) => Events = converse;
  onRetrieve: ServiceImpl<typeof wire.Dialogue>["retrieve"] = () => ({});
  onScore: ServiceImpl<typeof wire.Dialogue>["score"] = () => ({});
  asked: wire.ReplyRequest[] = [];
  headers = new Headers();
  /** Settles when a call of `untilCancelled` is broken off. */
  readonly cancelled: Promise<void>;
  #cancel!: () => void;
  #drops: (() => void)[] = [];
  #stops: (() => void)[] = [];

  constructor() {
    this.cancelled = new Promise((resolve) => (this.#cancel = resolve));
  }

  /** Begins and then says nothing more, until the client goes. */
  async *untilCancelled(turn: number, { signal }: HandlerContext): AsyncIterable<wire.Event> {
    signal.addEventListener("abort", this.#cancel);
    yield started(turn);
    yield text("Well", turn);
    await this.cancelled;
  }

  /** Where the last client was sent. */
  url = "";

  /** Serves; resolves to a client for Node.js, or one for browsers. */
  async client(platform: "node" | "browser", options = {}): Promise<Fondue | BrowserFondue> {
    const gateway = this;
    const handler = connectNodeAdapter({
      routes: (router) =>
        router.service(wire.Dialogue, {
          async *reply(request, context) {
            gateway.asked.push(request);
            gateway.headers = context.requestHeader;
            yield* gateway.onReply(request, context);
          },
          converse: async function* (requests, context) {
            yield* gateway.onConverse(requests, context);
          },
          retrieve: (request, context) => gateway.onRetrieve(request, context),
          score: (request, context) => gateway.onScore(request, context),
        }),
    });
    const sessions = new Set<ServerHttp2Session>();
    const http1 = createHttp1(handler);
    const http2 = createHttp2(handler).on("session", (session) => sessions.add(session));
    const server = platform === "browser" ? http1 : http2;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = (this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const client = platform === "browser" ? new BrowserFondue(url, options) : new Fondue(url, options);
    this.#stops.push(client.close.bind(client));
    this.#drops.push(() => {
      sessions.forEach((session) => session.destroy());
      http1.closeAllConnections();
      server.close();
    });
    return client;
  }

  /** The server is gone. */
  drop(): void {
    this.#drops.splice(0).forEach((drop) => drop());
  }

  stop(): void {
    this.drop();
    this.#stops.splice(0).forEach((stop) => stop());
  }
}

/**
 * A conversation with edits, as the contract tells: a turn's answer is its own words and the history before it. The words `wait` run
 * until they are cancelled, `refuse` fails.
 */
async function* converse(requests: AsyncIterable<wire.ConverseRequest>): AsyncIterable<wire.Event> {
  let history: number[] = [];
  let turns = 0;
  const remembered = new Map<number, number[]>([[0, []]]);
  let running = 0;
  for await (const { action } of requests) {
    await setImmediate();
    switch (action.case) {
      case "open":
        history = action.value.history.map(() => 0);
        remembered.set(0, [...history]);
        break;
      case "turn": {
        const number = ++turns;
        const words = String(action.value.parts[0]?.kind.value);
        yield started(number);
        if (words === "refuse") {
          yield failed(8, number, { retryDelayMs: 1500 });
          break;
        }
        yield text(words === "wait" ? words : `${words} ${JSON.stringify(history)}`, number);
        if (words === "wait") {
          running = number;
          break;
        }
        yield done(`${words} ${JSON.stringify(history)}`, number);
        history.push(number);
        remembered.set(number, [...history]);
        break;
      }
      case "cancel":
        if (running) {
          yield done("wait", running, wire.FinishReason.CANCELLED);
          history.push(running);
          remembered.set(running, [...history]);
          running = 0;
        }
        break;
      case "undo":
        if (action.value.turns > history.length) {
          yield editFailed("undo.turns");
          break;
        }
        history.splice(-action.value.turns);
        yield changed(history);
        break;
      case "reset":
        history = [];
        yield changed(history);
        break;
      case "branch": {
        const back = remembered.get(action.value.afterTurn);
        if (!back) {
          yield editFailed("branch.after_turn");
          break;
        }
        history = [...back];
        yield changed(history);
        break;
      }
    }
  }
}
