/** The client, whatever the platform: one method for each call of the contract. */

import { type CallOptions, type Client, createClient, type Transport } from "@connectrpc/connect";

import { foundImage, scores, TurnLog } from "./answers.js";
import type { Conversation } from "./conversation.js";
import { Dialogue } from "./dialogue.js";
import type { FoundImage } from "./events.js";
import type { Exchange, Opening, Scores } from "./history.js";
import type { RetrieveOptions, ScoreOptions, Stoppable, TurnOptions } from "./options.js";
import type { ReadFile } from "./pictures.js";
import { CallSource, Reply } from "./reply.js";
import * as requests from "./requests.js";
import { errorOf } from "./status.js";
import { Dialogue as DialogueService } from "./wire/dialogue/v1/dialogue_pb.js";

/** Where `fondue up` puts the gateway. */
export const DEFAULT_URL = "http://127.0.0.1:7400";

/** Settings of a client. */
export interface ClientOptions {
  /** Milliseconds that `reply`, `retrieve` and `score` may take; default: the server's limits alone. */
  timeoutMs?: number;
  /** Sent with every call, for example an `authorization` that a proxy wants. */
  headers?: Record<string, string>;
}

/** How to ask one turn. */
export interface ReplyOptions extends TurnOptions, Stoppable {
  /** Turns that were held before, oldest first: `Answer.exchange`. */
  history?: readonly Exchange[];
}

/** What every platform's client does. */
export abstract class BaseFondue {
  /** @internal */
  protected readonly service: Client<typeof DialogueService>;
  /** @internal */
  protected readonly readFile: ReadFile;
  readonly #options: ClientOptions;

  /** @internal */
  protected constructor(transport: Transport, readFile: ReadFile, options: ClientOptions) {
    this.service = createClient(DialogueService, transport);
    this.readFile = readFile;
    this.#options = options;
  }

  /** Asks one turn; its history comes along and the server keeps nothing. Returns at once. */
  reply(parts: requests.Parts, options: ReplyOptions = {}): Reply {
    const said = requests.listed(parts);
    return new Reply(new TurnLog(said), this.#source(said, options));
  }

  /** Opens a dialogue of many turns, of which this side keeps the history. On every platform. */
  dialogue(opening: Opening = {}): Dialogue {
    return new Dialogue((said, options) => this.#source(said, options), opening);
  }

  /** Opens a conversation of many turns over one stream, of which the server keeps the history. Node.js only. */
  abstract converse(opening?: Opening): Conversation;

  /** Pictures for a prompt, best first, without generating text. */
  async retrieve(parts: requests.Parts, options: RetrieveOptions = {}): Promise<FoundImage[]> {
    const { signal, ...given } = options;
    const request = await requests.retrieve(requests.listed(parts), given, this.readFile);
    try {
      const response = await this.service.retrieve(request, this.callOptions(signal));
      return response.images.map(foundImage);
    } catch (thrown) {
      throw errorOf(thrown, signal);
    }
  }

  /** How likely the model finds each of several continuations of a prompt, and with `withPrompt` the prompt. */
  async score(parts: requests.Parts, options: ScoreOptions = {}): Promise<Scores> {
    const { signal, ...given } = options;
    const request = await requests.score(requests.listed(parts), given, this.readFile);
    try {
      return scores(await this.service.score(request, this.callOptions(signal)));
    } catch (thrown) {
      throw errorOf(thrown, signal);
    }
  }

  #source(said: TurnLog["said"], options: ReplyOptions): CallSource {
    const { signal, history, ...given } = options;
    const ask = async (stop: AbortSignal) => {
      const request = await requests.reply(said, history ?? [], given, this.readFile);
      return this.service.reply(request, this.callOptions(stop));
    };
    return new CallSource(ask, signal);
  }

  /** @internal */
  protected callOptions(signal?: AbortSignal): CallOptions {
    const options: CallOptions = { headers: this.#options.headers ?? {} };
    if (signal) {
      options.signal = signal;
    }
    const { timeoutMs } = this.#options;
    if (timeoutMs !== undefined) {
      options.timeoutMs = timeoutMs;
    }
    return options;
  }
}
