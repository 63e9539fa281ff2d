/** How to answer a turn: options by the names that they have in the contract. */

/** Whether to behave as is right (`off`), or as the published code does where that differs. */
export type Compat = "off" | "reference";

/** A value of an index's metadata. */
export type Value = string | number | boolean;

/** A test of what an index knows of a picture: equality, membership or a range, one of them. */
export interface Condition {
  /** A field of the metadata, or `group`, `media_type`, `caption` or `id`. */
  field: string;
  /** What the value must be. */
  equals?: Value;
  /** What the value may be, at most 1000. */
  anyOf?: readonly Value[];
  /** Bounds of a number; at least one. */
  range?: { atLeast?: number; above?: number; atMost?: number; below?: number };
  /** Whether the test must fail instead. */
  negate?: boolean;
}

/** How to answer. What is left out is the conversation's, then the server's default. */
export interface TurnOptions {
  /** Tokens to generate at most; 1 … 1024 (server's limit), default 64. */
  maxNewTokens?: number;
  /** Sampling temperature; 0 (default) is greedy. 0 … 100. */
  temperature?: number;
  /** Nucleus sampling; 0 < topP <= 1, default 1. Other than 1 needs a temperature above 0. */
  topP?: number;
  /** Seed of the sampler; default: random. */
  seed?: number | bigint;
  /** The answer ends before the first of these. At most 8, of 1 … 64 bytes. */
  stop?: readonly string[];
  /** Added to the logit of `[RET]`: above 0 more pictures, below 0 fewer. -100 … 100. */
  retBias?: number;
  /** Makes `[RET]` likelier above 1 and rarer below. 0 … 100, default 1. */
  retScaleFactor?: number;
  /** No `[RET]` among this many first tokens. */
  minWordTokens?: number;
  /** Pictures for each `[RET]`; 1 … 16, default 1. */
  maxImagesPerRet?: number;
  /** Pictures in the turn; 0 forbids `[RET]`. 0 … 32, default 2. */
  maxImages?: number;
  /** Whether the pictures found enter the prompt of the next turns. Default false. */
  feedBackImages?: boolean;
  /** Time for the whole turn, in milliseconds; 1 … 600000, default 60000. */
  timeoutMs?: number;
  /** Right or published behaviour. */
  compat?: Compat;
  /** Only turns with the same key share the model's memory of earlier prompts. */
  cacheKey?: string;
  /** What the pictures that are found must be; all must hold. */
  conditions?: readonly Condition[];
  /** The index generation that pictures are found in. */
  generation?: string;
  /** Which of the server's indexes to search; default: the first. */
  index?: string;
}

/** What can stop a call. */
export interface Stoppable {
  /** Stops it when it aborts. */
  signal?: AbortSignal;
}

/** How to rank pictures. */
export interface RetrieveOptions extends Stoppable {
  /** Pictures wanted; 1 … 100, default 10. */
  k?: number;
  /** Ids that must not be found. */
  excludedIds?: readonly string[];
  /** The index generation; default: the active one. */
  generation?: string;
  /** Whether to send the pictures' bytes. Default false. */
  includeData?: boolean;
  /** Right or published behaviour. */
  compat?: Compat;
  /** As in `TurnOptions`. */
  cacheKey?: string;
  /** As in `TurnOptions`. */
  conditions?: readonly Condition[];
  /** As in `TurnOptions`. */
  index?: string;
}

/** How to weigh continuations. */
export interface ScoreOptions extends Stoppable {
  /** Texts that could follow. Up to 128, none empty; at least one unless `withPrompt` is set. */
  candidates?: readonly string[];
  /** Whether to weigh the prompt too. */
  withPrompt?: boolean;
  /** Right or published behaviour, which differ in pictures alone. */
  compat?: Compat;
  /** As in `TurnOptions`. */
  cacheKey?: string;
}
