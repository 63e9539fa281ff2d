/** Turns that were held: a whole answer, and the exchange that it makes of itself for a history. */

import type { Done, FoundImage, ImageUnavailable, Started } from "./events.js";
import type { TurnOptions } from "./options.js";
import type { Part } from "./pictures.js";

/** A turn that was held before. */
export interface Exchange {
  /** What the user said. */
  parts: readonly Part[];
  /** What the model answered, `[RET]` included: `Done.transcript`. */
  reply: string;
  /** Ids of the pictures found in it; they are not found again. */
  imageIds?: readonly string[];
}

/** A turn's whole answer. */
export interface Answer {
  /** The whole text. */
  text: string;
  /** The pictures found, in the order in which they came. */
  images: readonly FoundImage[];
  /** The `[RET]`s that brought no picture. */
  unavailable: readonly ImageUnavailable[];
  /** The turn's first event. */
  started: Started;
  /** The turn's closing event. */
  done: Done;
  /** The turn as a part of a history. */
  exchange: Exchange;
  /** Number of the turn in its conversation or dialogue, from 1; 0 if it was asked by itself. */
  number: number;
}

/** How a conversation or dialogue begins: turns held before, oldest first, and defaults of every turn. */
export interface Opening extends TurnOptions {
  /** Turns that were held before, oldest first. */
  history?: readonly Exchange[];
}

/** The likelihood of one text. */
export interface CandidateScore {
  /** Sum of the log-probabilities of the text's tokens given all before them, in nats. */
  logLikelihood: number;
  /** Tokens in the text. */
  tokens: number;
}

/** Likelihoods of continuations. */
export interface Scores {
  /** In the order of the candidates. */
  candidates: readonly CandidateScore[];
  /** Of the prompt's own text tokens; set if `withPrompt` was. */
  prompt?: CandidateScore;
}
