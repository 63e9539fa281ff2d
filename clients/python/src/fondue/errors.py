"""What can go wrong, as one tree: `FondueError` and what it splits into."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Code(IntEnum):
    """The canonical codes of gRPC (`google.rpc.Code`)."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


@dataclass(frozen=True)
class Violation:
    """A field at fault."""

    field: str
    """Path of the field in the request, for example `turn.parts[2].image.data`."""
    description: str
    """What is wrong with it and what would be right."""


class FondueError(Exception):
    """Anything that went wrong. Raised as itself for codes that have no class of their own, for example NOT_FOUND."""

    def __init__(
        self,
        message: str,
        code: Code = Code.UNKNOWN,
        violations: Iterable[Violation] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        """For people."""
        self.code = code
        """The canonical code."""
        self.violations = tuple(violations)
        """The fields at fault; empty if the server named none."""
        self.retry_after = retry_after
        """Seconds after which trying again may help; None if the server promised nothing."""


class InvalidRequest(FondueError):
    """The request is wrong, or too large; sending it again will not help. `violations` tell what is wrong."""


class Busy(FondueError):
    """No room now: try again after `retry_after` seconds."""


class Unavailable(FondueError):
    """The server, or a service behind it, is down."""


class DeadlineExceeded(FondueError):
    """Time ran out: the turn's, the call's, or an idle conversation's."""


class Cancelled(FondueError):
    """This side cancelled the call; what it had brought is no whole answer."""


class Unsupported(FondueError):
    """The server does not offer the call."""


class BrokenStream(FondueError):
    """The stream ended without the turn's closing event: what came is no whole answer, and must not be taken for one."""


class TurnFailed(FondueError):
    """The turn began and could not be completed.

    It is also an instance of the class of its code, so that `except Busy` catches a turn that found no room, be it
    refused as a call or within a conversation.
    """

    text: str = ""
    """The text that had been sent."""


class _InvalidTurn(TurnFailed, InvalidRequest):
    pass


class _BusyTurn(TurnFailed, Busy):
    pass


class _UnavailableTurn(TurnFailed, Unavailable):
    pass


class _ExpiredTurn(TurnFailed, DeadlineExceeded):
    pass


class _UnsupportedTurn(TurnFailed, Unsupported):
    pass


_OF_CODE: dict[Code, tuple[type[FondueError], type[TurnFailed]]] = {
    # By the other side, or by what lies between: this side's own is made where it is known.
    Code.CANCELLED: (Unavailable, _UnavailableTurn),
    Code.INVALID_ARGUMENT: (InvalidRequest, _InvalidTurn),
    Code.DEADLINE_EXCEEDED: (DeadlineExceeded, _ExpiredTurn),
    Code.FAILED_PRECONDITION: (InvalidRequest, _InvalidTurn),
    Code.OUT_OF_RANGE: (InvalidRequest, _InvalidTurn),
    Code.UNIMPLEMENTED: (Unsupported, _UnsupportedTurn),
    Code.UNAVAILABLE: (Unavailable, _UnavailableTurn),
}


def _classes(code: Code, retry_after: float | None) -> tuple[type[FondueError], type[TurnFailed]]:
    # A limit that waiting does not lift is a fault of the request.
    if code is Code.RESOURCE_EXHAUSTED:
        return (InvalidRequest, _InvalidTurn) if retry_after is None else (Busy, _BusyTurn)
    return _OF_CODE.get(code, (FondueError, TurnFailed))


def code_of(number: int) -> Code:
    """The code of a number; UNKNOWN for one that is none."""
    try:
        return Code(number)
    except ValueError:
        return Code.UNKNOWN


def call_error(
    code: Code, message: str, violations: Iterable[Violation] = (), retry_after: float | None = None
) -> FondueError:
    """The error of a call that ended with `code`."""
    return _classes(code, retry_after)[0](message, code, violations, retry_after)


def turn_error(
    code: Code, message: str, violations: Iterable[Violation], retry_after: float | None, text: str
) -> TurnFailed:
    """The error of a turn that ended with `TurnFailed`."""
    error = _classes(code, retry_after)[1](message, code, violations, retry_after)
    error.text = text
    return error
