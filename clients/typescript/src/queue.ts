/** A queue between who has something and who waits for it. */

/** Never refuses and never forgets; `end` lets the waiting go. For one reader. */
export class Queue<T> implements AsyncIterable<T> {
  #items: T[] = [];
  #waiting: ((next: IteratorResult<T, undefined>) => void) | undefined;
  #ended = false;

  /** Adds an item; after the end it is dropped. */
  push(item: T): void {
    if (this.#ended) {
      return;
    }
    if (this.#waiting) {
      this.#waiting({ value: item, done: false });
      this.#waiting = undefined;
    } else {
      this.#items.push(item);
    }
  }

  /** Nothing more will come; what is there can still be read. */
  end(): void {
    this.#ended = true;
    this.#waiting?.({ value: undefined, done: true });
    this.#waiting = undefined;
  }

  /** The next item, or the end. */
  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#items.length > 0) {
      return Promise.resolve({ value: this.#items.shift() as T, done: false });
    }
    if (this.#ended) {
      return Promise.resolve({ value: undefined, done: true });
    }
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return {
      next: () => this.next(),
      return: () => {
        this.end();
        return this.next();
      },
      throw: (error: unknown) => {
        this.end();
        return Promise.reject(error as Error);
      },
    };
  }
}
