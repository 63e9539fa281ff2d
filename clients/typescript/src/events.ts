/** What happens in a turn, as it comes: `started`, then `text`, `image` and `unavailable`, last `done`. */

/** Why a turn ended; `unspecified` if the server told none, or one that this client does not know. */
export type FinishReason = "unspecified" | "stop" | "stop_string" | "length" | "context_full" | "cancelled";

/** Why there is no picture; `unspecified` as in `FinishReason`. */
export type UnavailableReason = "unspecified" | "unavailable" | "none_left" | "deadline" | "limit";

/** What a prompt leaves out, so that it fits: the oldest turns, as few as will do. */
export interface HistoryCut {
  /** Turns that were left out. */
  turnsLeftOut: number;
  /** Turns of the history that the prompt holds. */
  turnsKept: number;
  /** The model's positions, which prompt and `maxNewTokens` must fit. */
  maxPositions: number;
}

/** The turn's events begin. */
export interface Started {
  type: "started";
  /** Name of the turn, unique across servers. */
  turnId: string;
  /** W3C trace id, the same in all services' logs and traces. */
  traceId: string;
  /** Set if the history did not fit the model's positions whole. */
  historyCut?: HistoryCut;
}

/** More text; joined in order, these are the answer. */
export interface Text {
  type: "text";
  /** At least one whole character. */
  text: string;
  /** Where it begins in the answer, in code points (`[...answer]` counts them, `answer.length` does not). */
  offset: number;
}

/** A picture that the model asked for. It may come after later text: `textOffset` tells where it belongs. */
export interface FoundImage {
  type: "image";
  /** Name of the picture in the index. */
  id: string;
  /** Cosine similarity of query and picture, -1 … 1. */
  score: number;
  /** What the index says of it. */
  caption: string;
  /** For example `image/png`; empty if the index holds no bytes. */
  mediaType: string;
  /** The picture file; empty if it was not asked for, or if the index holds only a URL. */
  data: Uint8Array<ArrayBuffer>;
  /** Where the picture can be had, if the index holds no bytes. */
  url: string;
  /** The index generation that it was found in. */
  generation: string;
  /** Which of the server's indexes it is of; empty for the first one. */
  index: string;
  /** Where in the answer it belongs, in code points. */
  textOffset: number;
  /** Which `[RET]` of the turn asked for it, from 0. */
  retIndex: number;
  /** Its place among that `[RET]`'s pictures, from 0. */
  rank: number;
}

/** A `[RET]` that brought no picture. The text goes on regardless. */
export interface ImageUnavailable {
  type: "unavailable";
  /** Where in the answer the picture would belong, in code points. */
  textOffset: number;
  /** Which `[RET]` of the turn asked, from 0. */
  retIndex: number;
  /** Why. */
  reason: UnavailableReason;
  /** For people. */
  message: string;
}

/** What a turn took. */
export interface Usage {
  /** Positions of the prompt: text tokens and picture prefixes. */
  promptTokens: number;
  /** Tokens generated, `[RET]` included. */
  generatedTokens: number;
  /** Pictures read. */
  imagesIn: number;
  /** Pictures found and sent. */
  imagesFound: number;
  /** Positions of the prompt that the model remembered from earlier prompts. */
  cachedTokens: number;
}

/** When a search ran, in milliseconds from the turn's start. */
export interface SearchTiming {
  /** Which `[RET]` of the turn asked. */
  retIndex: number;
  startMs: number;
  endMs: number;
}

/** Where a turn's time went, in milliseconds of wall clock. The parts overlap. */
export interface Timings {
  /** Vision service, all pictures of the turn. */
  visionMs: number;
  /** Waiting for the engine. */
  queueMs: number;
  /** Running the prompt through the language model. */
  prefillMs: number;
  /** From the turn's start to its first text; 0 if there was none. */
  firstTextMs: number;
  /** Decoding. */
  decodeMs: number;
  /** Searches, added up. */
  searchMs: number;
  /** The whole turn. */
  totalMs: number;
  /** Fetching pictures from their URLs; before vision. */
  fetchMs: number;
  /** From the turn's start to the first token, be it text or `[RET]`; 0 if there was none. */
  firstTokenMs: number;
  /** Each search, in the order of the `[RET]`s. */
  searches: readonly SearchTiming[];
}

/** The turn is complete. */
export interface Done {
  type: "done";
  /** Why it ended. */
  reason: FinishReason;
  /** The whole answer. */
  text: string;
  /** The answer as the model wrote it, with `[RET]`: what `Exchange.reply` wants. */
  transcript: string;
  /** Undefined if the turn was cancelled before the model had taken it. */
  usage?: Usage;
  /** Where its time went. */
  timings: Timings;
}

/** What a turn's stream brings. */
export type Event = Started | Text | FoundImage | ImageUnavailable | Done;

/** A found picture as a Blob, for example for `URL.createObjectURL`. Throws a `TypeError` if it came without bytes. */
export function imageBlob(image: FoundImage): Blob {
  if (image.data.length === 0) {
    throw new TypeError(`picture ${image.id} came without bytes`);
  }
  return new Blob([image.data], { type: image.mediaType });
}
