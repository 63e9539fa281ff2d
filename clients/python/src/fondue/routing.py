"""Which turn of a conversation an event is for, and when a turn may be cancelled without hitting another one.

Knows no threads and no loop: callers serialise what they call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeAlias

from .answers import edit_error
from .errors import FondueError
from .status import closed, gone
from .wire import dialogue_pb2 as wire

Turns: TypeAlias = tuple[int, ...]
"""Numbers of the turns that a history holds, oldest first; 0 for each that the conversation was opened with."""


class TurnSink(Protocol):
    """Where a turn's events go."""

    def put_nowait(self, item: wire.Event | FondueError, /) -> None:
        """Never waits."""


class EditSink(Protocol):
    """Where the answer to an edit goes."""

    def put_nowait(self, item: Turns | FondueError, /) -> None:
        """Never waits."""


class _Turn:
    def __init__(self, sink: TurnSink) -> None:
        self.sink = sink
        self.started = False
        self.unwanted = False


class Router:
    """The turns and edits that are under way, in the order in which they were sent."""

    def __init__(self, send: Callable[[wire.ConverseRequest], None]) -> None:
        self._send = send
        self._turns: dict[int, _Turn] = {}
        self._edits: deque[tuple[int, EditSink]] = deque()
        self._last = 0
        self._over = False
        self._error: FondueError | None = None

    def check(self) -> None:
        """Raises if the stream is over."""
        if self._over:
            raise gone(self._error)

    @property
    def next_number(self) -> int:
        """The number that the next turn will have."""
        return self._last + 1

    @property
    def open_turns(self) -> bool:
        """Whether a turn has no closing event yet."""
        return bool(self._turns)

    def say(self, turn: wire.Turn, sink: TurnSink) -> None:
        """Sends a turn."""
        self.check()
        self._last += 1
        self._turns[self._last] = _Turn(sink)
        self._send(wire.ConverseRequest(turn=turn))

    def edit(self, request: wire.ConverseRequest, sink: EditSink) -> None:
        """Sends an edit of the history."""
        self.check()
        self._edits.append((self._last, sink))
        self._send(request)

    def cancel(self, number: int) -> None:
        """Stops a turn: at once if it runs, else when it is about to."""
        if number in self._turns and not self._over:
            self._turns[number].unwanted = True
            self._cancel_unwanted()

    def _cancel_unwanted(self) -> None:
        # The server cancels what runs: the oldest open turn, once the edits sent before it are done.
        number = min(self._turns, default=0)
        if not number or not self._turns[number].unwanted:
            return
        if self._edits and self._edits[0][0] < number:
            return
        self._turns[number].unwanted = False
        self._send(wire.ConverseRequest(cancel=wire.CancelTurn()))

    def take(self, event: wire.Event) -> None:
        """Hands an event to whom it is for; events for nobody, as of a newer contract, are passed over."""
        kind = event.WhichOneof("kind")
        if kind in ("history_changed", "edit_failed"):
            if self._edits:
                changed = kind == "history_changed"
                sink = self._edits.popleft()[1]
                sink.put_nowait(tuple(event.history_changed.turns) if changed else edit_error(event.edit_failed))
        elif turn := self._turns.get(event.turn):
            turn.started = True
            turn.sink.put_nowait(event)
            if kind in ("done", "failed"):
                del self._turns[event.turn]
        self._cancel_unwanted()

    def end(self, error: FondueError | None) -> None:
        """The stream is over, with an error or well: nobody waits in vain."""
        self._over, self._error = True, error
        for turn in self._turns.values():
            turn.sink.put_nowait(closed(error, turn.started))
        for _, sink in self._edits:
            sink.put_nowait(closed(error, started=True))
        self._turns.clear()
        self._edits.clear()


def undo(turns: int) -> wire.ConverseRequest:
    """Takes the last turns out of the history."""
    if turns < 1:
        raise ValueError("at least one turn can be taken back")
    return wire.ConverseRequest(undo=wire.UndoTurns(turns=turns))


def reset() -> wire.ConverseRequest:
    """Empties the history."""
    return wire.ConverseRequest(reset=wire.ResetHistory())


def branch(after_turn: int) -> wire.ConverseRequest:
    """Makes the history what it was right after a turn."""
    return wire.ConverseRequest(branch=wire.BranchHistory(after_turn=after_turn))


def cancel() -> wire.ConverseRequest:
    """Stops the running turn."""
    return wire.ConverseRequest(cancel=wire.CancelTurn())
