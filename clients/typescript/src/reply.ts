/** One turn's stream of events, to be iterated. */

import type { TurnLog } from "./answers.js";
import { FondueError } from "./errors.js";
import type { Done, Event, FoundImage, ImageUnavailable, Started } from "./events.js";
import type { Answer } from "./history.js";
import { cancelled, closed, errorOf } from "./status.js";
import type * as wire from "./wire/dialogue/v1/dialogue_pb.js";

/** Where a turn's events come from, and how it is stopped. */
export interface EventSource {
  /** The next event; undefined once the stream has ended. Rejects with a `FondueError`, or with what is wrong with a part. */
  next(): Promise<wire.Event | undefined>;
  /** Stops the turn. */
  cancel(): void;
}

/**
 * A turn's events as they come. Iterate over it, or `wait()` for the whole answer.
 *
 * Iterating throws `TurnFailed` if the turn could not be completed, `BrokenStream` if its stream ended early, and any other
 * `FondueError` that kept it from beginning. Leaving the loop early cancels the turn. For one reader at a time.
 */
export class Reply implements AsyncIterable<Event> {
  readonly #log: TurnLog;
  readonly #source: EventSource;
  #failure: { error: unknown } | undefined;

  /** @internal */
  constructor(log: TurnLog, source: EventSource) {
    this.#log = log;
    this.#source = source;
  }

  /** Number of the turn in its conversation or dialogue, from 1, once it was sent; 0 if it was asked by itself. */
  get number(): number {
    return this.#log.number;
  }

  /** The first event, once it came. */
  get started(): Started | undefined {
    return this.#log.started;
  }

  /** The text so far. */
  get text(): string {
    return this.#log.text;
  }

  /** The pictures so far. */
  get images(): readonly FoundImage[] {
    return this.#log.images;
  }

  /** The `[RET]`s that brought no picture, so far. */
  get unavailable(): readonly ImageUnavailable[] {
    return this.#log.unavailable;
  }

  /** The closing event, once it came. Without it the answer is not whole. */
  get done(): Done | undefined {
    return this.#log.done;
  }

  /** Stops the turn; does nothing if it has ended. */
  cancel(): void {
    if (!this.#log.done && !this.#failure) {
      this.#source.cancel();
    }
  }

  /** The whole answer, once it is there. Rejects as iterating does. */
  async wait(): Promise<Answer> {
    while (await this.#next()) {
      // The log notes them.
    }
    return this.#log.answer(this.#log.done!);
  }

  [Symbol.asyncIterator](): AsyncIterator<Event, undefined> {
    return {
      next: async () => {
        const event = await this.#next();
        return event ? { value: event, done: false } : { value: undefined, done: true };
      },
      return: () => {
        this.cancel();
        return Promise.resolve({ value: undefined, done: true });
      },
    };
  }

  async #pull(): Promise<wire.Event> {
    const started = this.#log.started !== undefined;
    let event;
    try {
      event = await this.#source.next();
    } catch (thrown) {
      // What is no error of the call is one of the caller's, such as a file that is not there.
      throw thrown instanceof FondueError ? closed(thrown, started) : thrown;
    }
    if (!event) {
      throw closed(undefined, started);
    }
    return event;
  }

  /** The next event; undefined once the turn is done. */
  async #next(): Promise<Event | undefined> {
    for (;;) {
      if (this.#failure) {
        throw this.#failure.error;
      }
      if (this.#log.done) {
        return undefined;
      }
      try {
        const event = await this.#pull();
        const taken = this.#log.take(event);
        if (taken) {
          return taken;
        }
      } catch (error) {
        this.#failure = { error };
      }
    }
  }
}

/** A call of its own for one turn. It is made at once. */
export class CallSource implements EventSource {
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #events: Promise<AsyncIterator<wire.Event>>;
  #first: Promise<IteratorResult<wire.Event>> | undefined;

  /** `ask` makes the call; `signal` stops it, too. */
  constructor(ask: (signal: AbortSignal) => Promise<AsyncIterable<wire.Event>>, signal?: AbortSignal) {
    this.#signal = signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal;
    this.#events = ask(this.#signal).then((events) => events[Symbol.asyncIterator]());
    this.#signal.addEventListener("abort", () => this.#finish(), { once: true });
    // Nothing is sent before the first event is asked for.
    this.#first = this.#events.then((events) => this.#rpc(events.next()));
    this.#first.catch(() => undefined); // told by `next`
  }

  async next(): Promise<wire.Event | undefined> {
    if (this.#signal.aborted) {
      throw cancelled();
    }
    const coming = this.#first ?? this.#rpc((await this.#events).next());
    this.#first = undefined;
    const { value, done } = await coming;
    if (done) {
      return undefined;
    }
    if (value.kind.case === "done" || value.kind.case === "failed") {
      // The turn's outcome is known already; the server sees its end taken, not broken off.
      this.#finish();
    }
    return value;
  }

  cancel(): void {
    this.#stop.abort();
  }

  /** Takes the end of the call: it holds its timer until somebody does. */
  #finish(): void {
    const end = async () => {
      const events = await this.#events;
      while (!(await events.next()).done) {
        // What came before it.
      }
    };
    end().catch(() => undefined);
  }

  async #rpc<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (thrown) {
      throw errorOf(thrown, this.#signal);
    }
  }
}
