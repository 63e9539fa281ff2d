/** From what calls throw to our errors: the code, and the `google.rpc` details. */

import { Code, ConnectError } from "@connectrpc/connect";

import { BrokenStream, Cancelled, errorOfCode, FondueError, Unavailable } from "./errors.js";
import { BadRequestSchema, RetryInfoSchema } from "./wire/google/rpc/error_details_pb.js";

/** What a connection that is lost reads as. */
const LOST = [Code.Unavailable, Code.Internal, Code.Unknown, Code.Canceled, Code.DataLoss];

/** The error of a call, which `signal` stops. */
export function errorOf(thrown: unknown, signal?: AbortSignal): FondueError {
  if (thrown instanceof FondueError) {
    return thrown;
  }
  if (signal?.aborted) {
    return cancelled();
  }
  const error = ConnectError.from(thrown);
  // fetch tells a server that cannot be reached by a TypeError alone.
  if (thrown instanceof TypeError || error.cause instanceof TypeError) {
    return new Unavailable(error.rawMessage, Code.Unavailable, { cause: thrown });
  }
  const violations = error
    .findDetails(BadRequestSchema)
    .flatMap((bad) => bad.fieldViolations.map(({ field, description }) => ({ field, description })));
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  const retryAfterMs = delay && Number(delay.seconds) * 1000 + delay.nanos / 1e6;
  return errorOfCode(error.code, error.rawMessage, { violations, retryAfterMs, cause: thrown });
}

/** What a turn without a closing event gets when its stream ended, with `error` or well. */
export function closed(error: FondueError | undefined, started: boolean): FondueError {
  if (!error) {
    return new BrokenStream("the stream ended without the turn's closing event", Code.DataLoss);
  }
  if (started && LOST.includes(error.code) && !(error instanceof Cancelled)) {
    return new BrokenStream(`the stream broke off: ${error.message}`, error.code, { cause: error });
  }
  return error;
}

/** What a call that this side cancelled ends with. */
export function cancelled(): FondueError {
  return new Cancelled("this side cancelled the call", Code.Canceled);
}
