/** A conversation of many turns over one stream; the server keeps the history. */

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";

import { editError, TurnLog } from "./answers.js";
import { type FondueError, Unavailable } from "./errors.js";
import type { Opening } from "./history.js";
import type { Stoppable, TurnOptions } from "./options.js";
import type { ReadFile } from "./pictures.js";
import { Queue } from "./queue.js";
import { type EventSource, Reply } from "./reply.js";
import * as requests from "./requests.js";
import { closed, errorOf } from "./status.js";
import * as wire from "./wire/dialogue/v1/dialogue_pb.js";

type Action = MessageInitShape<typeof wire.ConverseRequestSchema>["action"];
type Call = (sent: AsyncIterable<wire.ConverseRequest>, signal: AbortSignal) => AsyncIterable<wire.Event>;

/** A turn that has no closing event yet. */
class OpenTurn implements EventSource {
  readonly events = new Queue<wire.Event | { error: unknown }>();
  /** 0 until it is sent. */
  number = 0;
  started = false;
  unwanted = false;

  constructor(readonly cancel: () => void) {}

  async next(): Promise<wire.Event | undefined> {
    const { value } = await this.events.next();
    if (value && "error" in value) {
      throw value.error;
    }
    return value;
  }

  fail(error: unknown): void {
    this.events.push({ error });
    this.events.end();
  }
}

/** An edit that is not answered yet. */
interface OpenEdit {
  /** The last turn that was sent before it. */
  after: number;
  resolve: (turns: number[]) => void;
  reject: (error: FondueError) => void;
}

/** A conversation: needs Node.js, since browsers cannot stream requests. In browsers use `Fondue.dialogue`. */
export class Conversation {
  readonly #readFile: ReadFile;
  readonly #requests = new Queue<wire.ConverseRequest>();
  readonly #stop = new AbortController();
  readonly #turns = new Map<number, OpenTurn>();
  readonly #edits: OpenEdit[] = [];
  readonly #over: Promise<void>;
  /** Pictures are read before a turn is sent; turns and edits are sent in the order in which they were asked for. */
  #outbox: Promise<void>;
  #sent = 0;
  #closing = false;
  #end: { error: FondueError | undefined } | undefined;

  /** @internal */
  constructor(opening: Opening, call: Call, readFile: ReadFile) {
    this.#readFile = readFile;
    this.#outbox = requests.open(opening, readFile).then(
      (value) => this.#send({ case: "open", value }),
      (error: unknown) => this.#fail(error),
    );
    this.#over = this.#listen(call);
  }

  /** Says something; options win over the conversation's. A turn waits for those before it. `signal` cancels it. */
  say(parts: requests.Parts, options: TurnOptions & Stoppable = {}): Reply {
    this.#check();
    const said = requests.listed(parts);
    const { signal, ...given } = options;
    const log = new TurnLog(said);
    const turn = new OpenTurn(() => this.#cancelTurn(turn));
    const drafted = requests.turn(said, given, this.#readFile);
    drafted.catch(() => undefined); // told below, in its order
    this.#outbox = this.#outbox.then(async () => {
      try {
        const value = await drafted;
        if (this.#end) {
          turn.fail(closed(this.#gone(), false));
          return;
        }
        log.number = turn.number = ++this.#sent;
        this.#turns.set(turn.number, turn);
        this.#send({ case: "turn", value });
        this.#cancelUnwanted();
      } catch (error) {
        turn.fail(error);
      }
    });
    const reply = new Reply(log, turn);
    if (signal?.aborted) {
      reply.cancel();
    }
    signal?.addEventListener("abort", () => reply.cancel(), { once: true });
    return reply;
  }

  /**
   * Takes back the last turns, once those sent before are done; resolves to the numbers of the turns that the history holds now (0
   * for each that the conversation was opened with). Rejects with `InvalidRequest` if it holds fewer.
   */
  undo(turns = 1): Promise<number[]> {
    if (!(turns >= 1)) {
      return Promise.reject(new RangeError("at least one turn can be taken back"));
    }
    return this.#edit({ case: "undo", value: { turns } });
  }

  /** Empties the history, once the turns sent before are done. Settings stay, and turns are numbered on. */
  reset(): Promise<number[]> {
    return this.#edit({ case: "reset", value: {} });
  }

  /**
   * Makes the history what it was right after a turn (`Reply.number`), whatever came since; 0 is the one that the conversation was
   * opened with. Rejects with `InvalidRequest` for a turn that was not answered, or is not remembered any more.
   */
  branch(afterTurn: number): Promise<number[]> {
    return this.#edit({ case: "branch", value: { afterTurn } });
  }

  /** Stops the turn that is running; without one it does nothing. */
  cancel(): void {
    this.#check();
    this.#outbox = this.#outbox.then(() => this.#send({ case: "cancel", value: {} }));
  }

  /** Says that nothing more will come, and waits until the turns that were sent are done. */
  async close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      this.#outbox = this.#outbox.then(() => this.#requests.end());
    }
    await this.#over;
  }

  /** Ends the conversation at once: turns that are not done reject with `Cancelled`. */
  abort(): void {
    this.#closing = true;
    this.#stop.abort();
  }

  #check(): void {
    if (this.#closing) {
      throw new TypeError("the conversation is closed");
    }
    if (this.#end) {
      throw this.#gone();
    }
  }

  #gone(): FondueError {
    return this.#end?.error ?? new Unavailable("the server has ended the conversation", Code.Unavailable);
  }

  #send(action: Action): void {
    this.#requests.push(create(wire.ConverseRequestSchema, { action }));
  }

  async #edit(action: Action): Promise<number[]> {
    this.#check();
    return new Promise((resolve, reject) => {
      this.#outbox = this.#outbox.then(() => {
        if (this.#end) {
          reject(this.#gone());
          return;
        }
        this.#edits.push({ after: this.#sent, resolve, reject });
        this.#send(action);
      });
    });
  }

  #cancelTurn(turn: OpenTurn): void {
    turn.unwanted = true;
    if (this.#closing) {
      this.#stop.abort(); // nothing can be sent any more
    } else {
      this.#cancelUnwanted();
    }
  }

  /** The server cancels what runs: the oldest open turn, once the edits sent before it are done. No other must be hit. */
  #cancelUnwanted(): void {
    const oldest = this.#turns.values().next().value;
    const edit = this.#edits[0];
    if (oldest?.unwanted && !(edit && edit.after < oldest.number)) {
      oldest.unwanted = false;
      this.#send({ case: "cancel", value: {} });
    }
  }

  async #listen(call: Call): Promise<void> {
    try {
      for await (const event of call(this.#requests, this.#stop.signal)) {
        this.#take(event);
      }
      this.#fail(undefined);
    } catch (thrown) {
      this.#fail(errorOf(thrown, this.#stop.signal));
    }
  }

  /** Hands an event to whom it is for; events for nobody, as of a newer contract, are passed over. */
  #take(event: wire.Event): void {
    const { kind } = event;
    if (kind.case === "historyChanged") {
      this.#edits.shift()?.resolve(kind.value.turns);
    } else if (kind.case === "editFailed") {
      this.#edits.shift()?.reject(editError(kind.value));
    } else {
      const turn = this.#turns.get(event.turn);
      if (turn) {
        turn.started = true;
        turn.events.push(event);
        if (kind.case === "done" || kind.case === "failed") {
          this.#turns.delete(event.turn);
        }
      }
    }
    this.#cancelUnwanted();
  }

  /** The stream is over, with an error or well: nobody waits in vain. */
  #fail(thrown: unknown): void {
    if (this.#end) {
      return;
    }
    const error = thrown === undefined ? undefined : errorOf(thrown);
    this.#end = { error };
    this.#requests.end();
    for (const turn of this.#turns.values()) {
      turn.fail(closed(error, turn.started));
    }
    for (const edit of this.#edits) {
      edit.reject(closed(error, true));
    }
    this.#turns.clear();
    this.#edits.length = 0;
  }
}
