/** What can go wrong, as one tree: `FondueError` and what it splits into. */

import { Code } from "@connectrpc/connect";

export { Code };

/** A field at fault. */
export interface Violation {
  /** Path of the field in the request, for example `turn.parts[2].image.data`. */
  field: string;
  /** What is wrong with it and what would be right. */
  description: string;
}

/** What an error tells beside its message. */
export interface Details {
  /** The fields at fault; none if the server named none. */
  violations?: readonly Violation[];
  /** Milliseconds after which trying again may help; undefined if the server promised nothing. */
  retryAfterMs?: number | undefined;
  /** What lies behind it. */
  cause?: unknown;
}

/** Anything that went wrong. Thrown as itself for codes that have no class of their own, for example NotFound. */
export class FondueError extends Error {
  override name = "FondueError";
  /** The fields at fault; empty if the server named none. */
  readonly violations: readonly Violation[];
  /** Milliseconds after which trying again may help; undefined if the server promised nothing. */
  readonly retryAfterMs: number | undefined;

  /** `code`: the canonical gRPC code. */
  constructor(
    message: string,
    readonly code: Code = Code.Unknown,
    details: Details = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.violations = details.violations ?? [];
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** The request is wrong, or too large; sending it again will not help. `violations` tell what is wrong. */
export class InvalidRequest extends FondueError {
  override name = "InvalidRequest";
}

/** No room now: try again after `retryAfterMs`. */
export class Busy extends FondueError {
  override name = "Busy";
}

/** The server, or a service behind it, is down. */
export class Unavailable extends FondueError {
  override name = "Unavailable";
}

/** Time ran out: the turn's, the call's, or an idle conversation's. */
export class DeadlineExceeded extends FondueError {
  override name = "DeadlineExceeded";
}

/** This side cancelled the call; what it had brought is no whole answer. */
export class Cancelled extends FondueError {
  override name = "Cancelled";
}

/** The server does not offer the call, or this platform cannot make it. */
export class Unsupported extends FondueError {
  override name = "Unsupported";
}

/** The stream ended without the turn's closing event: what came is no whole answer, and must not be taken for one. */
export class BrokenStream extends FondueError {
  override name = "BrokenStream";
}

/** The turn began and could not be completed. `cause` is the error of its code: `Busy`, `InvalidRequest` and so on. */
export class TurnFailed extends FondueError {
  override name = "TurnFailed";

  /** `text`: the text that had been sent. */
  constructor(
    cause: FondueError,
    readonly text: string,
  ) {
    super(cause.message, cause.code, { violations: cause.violations, retryAfterMs: cause.retryAfterMs, cause });
  }
}

/** The error of a call, a turn or an edit that ended with `code`. */
export function errorOfCode(code: Code, message: string, details: Details = {}): FondueError {
  return new (classOf(code, details))(message, code, details);
}

function classOf(code: Code, details: Details): typeof FondueError {
  switch (code) {
    case Code.InvalidArgument:
    case Code.FailedPrecondition:
    case Code.OutOfRange:
      return InvalidRequest;
    case Code.ResourceExhausted:
      // A limit that waiting does not lift is a fault of the request.
      return details.retryAfterMs === undefined ? InvalidRequest : Busy;
    case Code.Unavailable:
    case Code.Canceled: // by the other side, or by what lies between: this side's own is made where it is known
      return Unavailable;
    case Code.DeadlineExceeded:
      return DeadlineExceeded;
    case Code.Unimplemented:
      return Unsupported;
    default:
      return FondueError;
  }
}
