"""From gRPC's errors to ours: the code, and the `google.rpc` details in the trailers."""

from __future__ import annotations

from typing import Any, cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status

from .errors import BrokenStream, Cancelled, Code, FondueError, Unavailable, Violation, call_error, code_of

_DETAILS = "grpc-status-details-bin"
# What a connection that is lost reads as.
_LOST = (Code.UNAVAILABLE, Code.INTERNAL, Code.UNKNOWN, Code.CANCELLED)


def error_of(error: grpc.RpcError) -> FondueError:
    """The error of a call. Details that cannot be read are left out: they only explain."""
    # grpc raises objects that are call and error at once; the type of the error alone does not say so.
    call = cast(Any, error)
    code = code_of(call.code().value[0])
    message = call.details() or code.name
    violations: list[Violation] = []
    retry_after = None
    for key, value in call.trailing_metadata() or ():
        if key == _DETAILS and isinstance(value, bytes):
            violations, retry_after = _details(value)
    return call_error(code, message, violations, retry_after)


def _details(value: bytes) -> tuple[list[Violation], float | None]:
    violations: list[Violation] = []
    retry_after = None
    try:
        for detail in Status.FromString(value).details:
            bad, retry = BadRequest(), RetryInfo()
            if detail.Unpack(bad):
                violations += [Violation(each.field, each.description) for each in bad.field_violations]
            elif detail.Unpack(retry):
                delay = retry.retry_delay
                retry_after = delay.seconds + delay.nanos / 1e9
    except DecodeError:
        pass
    return violations, retry_after


def closed(error: FondueError | None, started: bool) -> FondueError:
    """What a turn without a closing event gets when its stream ended, with `error` or well."""
    if error is None:
        return BrokenStream("the stream ended without the turn's closing event", Code.DATA_LOSS)
    if started and error.code in _LOST and not isinstance(error, Cancelled):
        broken = BrokenStream(f"the stream broke off: {error.message}", error.code)
        broken.__cause__ = error
        return broken
    return error


def cancelled() -> Cancelled:
    """What a call that this side cancelled ends with."""
    return Cancelled("this side cancelled the call", Code.CANCELLED)


def gone(error: FondueError | None) -> FondueError:
    """What a conversation that its server has left answers to further requests."""
    return error or Unavailable("the server has ended the conversation", Code.UNAVAILABLE)
