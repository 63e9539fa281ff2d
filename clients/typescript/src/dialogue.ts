/** A dialogue whose history this side keeps: the conversation of platforms that cannot stream requests. */

import { Code } from "@connectrpc/connect";

import { InvalidRequest } from "./errors.js";
import { TurnLog } from "./answers.js";
import type { Exchange, Opening } from "./history.js";
import type { Stoppable, TurnOptions } from "./options.js";
import { Queue } from "./queue.js";
import { type EventSource, Reply } from "./reply.js";
import { listed, type Parts } from "./requests.js";
import { cancelled } from "./status.js";
import type * as wire from "./wire/dialogue/v1/dialogue_pb.js";

/** Asks one turn with a history; what it returns makes the call at once. */
export type Ask = (
  said: TurnLog["said"],
  options: TurnOptions & Stoppable & { history: readonly Exchange[] },
) => EventSource;

/** A turn of the history; number 0 was there from the beginning. */
interface Held {
  number: number;
  exchange: Exchange;
}

/**
 * Many turns, each a call of its own with the history so far. Turns and edits wait for those before them, as in a `Conversation`; a
 * turn that fails or is cancelled leaves the history as it was.
 */
export class Dialogue {
  readonly #ask: Ask;
  readonly #defaults: TurnOptions;
  readonly #remembered = new Map<number, readonly Held[]>();
  #history: readonly Held[];
  #last = 0;
  /** Settles, never rejects, when all that was asked for so far is done. */
  #before: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(ask: Ask, opening: Opening) {
    const { history, ...defaults } = opening;
    this.#ask = ask;
    this.#defaults = defaults;
    this.#history = (history ?? []).map((exchange) => ({ number: 0, exchange }));
    this.#remembered.set(0, this.#history);
  }

  /** What the history holds now, oldest first: to be stored, and given to another dialogue. */
  get history(): readonly Exchange[] {
    return this.#history.map(({ exchange }) => exchange);
  }

  /** Numbers of the turns that the history holds now; 0 for each that was there from the beginning. */
  get turns(): readonly number[] {
    return this.#history.map(({ number }) => number);
  }

  /** Says something; options win over the dialogue's. `signal` cancels it. */
  say(parts: Parts, options: TurnOptions & Stoppable = {}): Reply {
    const log = new TurnLog(listed(parts));
    log.number = ++this.#last;
    const turn = new Turn();
    if (options.signal?.aborted) {
      turn.cancel();
    }
    options.signal?.addEventListener("abort", () => turn.cancel(), { once: true });
    this.#before = this.#before.then(async () => {
      const ask = () => this.#ask(log.said, { ...this.#defaults, ...options, history: this.history });
      const exchange = await turn.run(ask, log.said);
      if (exchange) {
        this.#history = [...this.#history, { number: log.number, exchange }];
        this.#remembered.set(log.number, this.#history);
      }
      turn.events.end();
    });
    return new Reply(log, turn);
  }

  /** Takes back the last turns; resolves to the numbers of those that are left. Rejects with `InvalidRequest` if there are fewer. */
  undo(turns = 1): Promise<readonly number[]> {
    return this.#edit(() => {
      if (!(turns >= 1 && turns <= this.#history.length)) {
        throw invalid("undo.turns", `must be 1 … ${this.#history.length}, got ${turns}`);
      }
      return this.#history.slice(0, -turns);
    });
  }

  /** Empties the history. Turns are numbered on. */
  reset(): Promise<readonly number[]> {
    return this.#edit(() => []);
  }

  /** Makes the history what it was right after an answered turn, whatever came since; 0: what it was in the beginning. */
  branch(afterTurn: number): Promise<readonly number[]> {
    return this.#edit(() => {
      const history = this.#remembered.get(afterTurn);
      if (!history) {
        throw invalid("branch.after_turn", `turn ${afterTurn} was not answered`);
      }
      return history;
    });
  }

  #edit(change: () => readonly Held[]): Promise<readonly number[]> {
    const edited = this.#before.then(() => {
      this.#history = change();
      return this.turns;
    });
    this.#before = edited.catch(() => undefined);
    return edited;
  }
}

/** A turn of a dialogue: it runs whether or not somebody reads it, since others wait for it. */
class Turn implements EventSource {
  readonly events = new Queue<wire.Event | { error: unknown }>();
  #source: EventSource | undefined;
  #cancelled = false;

  /** Runs it to its end; resolves to what the history gains. */
  async run(ask: () => EventSource, said: TurnLog["said"]): Promise<Exchange | undefined> {
    const log = new TurnLog(said);
    try {
      if (this.#cancelled) {
        throw cancelled();
      }
      this.#source = ask();
      for (let event = await this.#source.next(); event; event = await this.#source.next()) {
        this.events.push(event);
        if (event.kind.case === "failed") {
          return undefined;
        }
        log.take(event);
        if (log.done) {
          return log.answer(log.done).exchange;
        }
      }
    } catch (error) {
      this.events.push({ error });
    }
    return undefined;
  }

  async next(): Promise<wire.Event | undefined> {
    const { value } = await this.events.next();
    if (value && "error" in value) {
      throw value.error;
    }
    return value;
  }

  cancel(): void {
    this.#cancelled = true;
    this.#source?.cancel();
  }
}

function invalid(field: string, description: string): InvalidRequest {
  return new InvalidRequest(`${field}: ${description}`, Code.InvalidArgument, { violations: [{ field, description }] });
}
