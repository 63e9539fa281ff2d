/** From the contract's answers to ours, and what a turn's events have brought so far. */

import { Code } from "@connectrpc/connect";

import { errorOfCode, type FondueError, TurnFailed } from "./errors.js";
import type { Done, Event, FinishReason, FoundImage, ImageUnavailable, Started, UnavailableReason } from "./events.js";
import type { Answer, CandidateScore, Scores } from "./history.js";
import type { Part } from "./pictures.js";
import type * as wire from "./wire/dialogue/v1/dialogue_pb.js";

// In the order of the contract's numbers.
const FINISH: readonly FinishReason[] = ["unspecified", "stop", "stop_string", "length", "context_full", "cancelled"];
const UNAVAILABLE: readonly UnavailableReason[] = ["unspecified", "unavailable", "none_left", "deadline", "limit"];

/** What a turn's events have brought so far. */
export class TurnLog {
  started: Started | undefined;
  text = "";
  readonly images: FoundImage[] = [];
  readonly unavailable: ImageUnavailable[] = [];
  done: Done | undefined;
  number = 0;

  constructor(readonly said: readonly Part[]) {}

  /** Notes an event and translates it; undefined for kinds that this client does not know. Throws `TurnFailed`. */
  take(event: wire.Event): Event | undefined {
    const { kind } = event;
    switch (kind.case) {
      case "started":
        return (this.started = started(kind.value));
      case "text":
        this.text += kind.value.text;
        return { type: "text", text: kind.value.text, offset: kind.value.offset };
      case "image": {
        const found = foundImage(kind.value);
        this.images.push(found);
        return found;
      }
      case "imageUnavailable": {
        const missing = unavailable(kind.value);
        this.unavailable.push(missing);
        return missing;
      }
      case "done":
        return (this.done = done(kind.value));
      case "failed":
        throw turnFailed(kind.value);
      default:
        return undefined;
    }
  }

  /** The whole answer of a turn that is done. */
  answer(closing: Done): Answer {
    return {
      text: closing.text,
      images: [...this.images],
      unavailable: [...this.unavailable],
      started: this.started ?? { type: "started", turnId: "", traceId: "" },
      done: closing,
      exchange: { parts: this.said, reply: closing.transcript, imageIds: this.images.map(({ id }) => id) },
      number: this.number,
    };
  }
}

function started({ turnId, traceId, historyCut }: wire.TurnStarted): Started {
  const event: Started = { type: "started", turnId, traceId };
  if (historyCut) {
    const { turnsLeftOut, turnsKept, maxPositions } = historyCut;
    event.historyCut = { turnsLeftOut, turnsKept, maxPositions };
  }
  return event;
}

/** A picture that was found. */
export function foundImage(image: wire.FoundImage): FoundImage {
  const { $typeName, $unknown, data, ...fields } = image;
  // Bytes that came over a wire are never shared between threads.
  return { type: "image", ...fields, data: data as Uint8Array<ArrayBuffer> };
}

function unavailable({ textOffset, retIndex, reason, message }: wire.ImageUnavailable): ImageUnavailable {
  return { type: "unavailable", textOffset, retIndex, reason: UNAVAILABLE[reason] ?? "unspecified", message };
}

function done({ reason, text, transcript, usage, timings }: wire.TurnDone): Done {
  const event: Done = {
    type: "done",
    reason: FINISH[reason] ?? "unspecified",
    text,
    transcript,
    timings: {
      visionMs: timings?.visionMs ?? 0,
      queueMs: timings?.queueMs ?? 0,
      prefillMs: timings?.prefillMs ?? 0,
      firstTextMs: timings?.firstTextMs ?? 0,
      decodeMs: timings?.decodeMs ?? 0,
      searchMs: timings?.searchMs ?? 0,
      totalMs: timings?.totalMs ?? 0,
      fetchMs: timings?.fetchMs ?? 0,
      firstTokenMs: timings?.firstTokenMs ?? 0,
      searches: (timings?.searches ?? []).map(({ retIndex, startMs, endMs }) => ({ retIndex, startMs, endMs })),
    },
  };
  if (usage) {
    const { promptTokens, generatedTokens, imagesIn, imagesFound, cachedTokens } = usage;
    event.usage = { promptTokens, generatedTokens, imagesIn, imagesFound, cachedTokens };
  }
  return event;
}

function codeOf(number: number): Code {
  return number in Code ? number : Code.Unknown;
}

function turnFailed(event: wire.TurnFailed): TurnFailed {
  const retryAfterMs = event.retryDelayMs || undefined;
  const violations = event.violations.map(({ field, description }) => ({ field, description }));
  return new TurnFailed(errorOfCode(codeOf(event.code), event.message, { violations, retryAfterMs }), event.text);
}

/** The error of an edit that could not be done. */
export function editError(event: wire.EditFailed): FondueError {
  const violations = event.violations.map(({ field, description }) => ({ field, description }));
  return errorOfCode(codeOf(event.code), event.message, { violations });
}

/** Likelihoods of continuations. */
export function scores(response: wire.ScoreResponse): Scores {
  const candidates = response.scores.map(score);
  return response.prompt ? { candidates, prompt: score(response.prompt) } : { candidates };
}

function score({ logLikelihood, tokens }: wire.CandidateScore): CandidateScore {
  return { logLikelihood, tokens };
}
