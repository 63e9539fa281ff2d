"""A conversation of many turns over one stream; the server keeps the history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import Lock, Thread
from types import TracebackType

import grpc
from typing_extensions import Self, Unpack

from . import requests, routing
from .answers import TurnLog
from .errors import FondueError
from .options import Options
from .pictures import Part
from .reply import Reply
from .routing import Router, Turns
from .status import cancelled, error_of
from .wiring import EventCall
from .wire import dialogue_pb2 as wire


class TurnReply(Reply):
    """A turn of a conversation. It may wait for the turns that were sent before it."""

    def __init__(
        self, log: TurnLog, events: SimpleQueue[wire.Event | FondueError], cancel: Callable[[int], None]
    ) -> None:
        super().__init__(log)
        self._events = events
        self._cancel = cancel

    def cancel(self) -> None:
        """Stops the turn, when its time comes if it still waits: it ends in `Done` with `FinishReason.CANCELLED`.

        What it brought so far is in the history.
        """
        if not self._closed:
            self._cancel(self.number)

    def _pull(self) -> wire.Event:
        event = self._events.get()
        if isinstance(event, FondueError):
            raise event
        return event


class Conversation:
    """A conversation. Threads may share it; the server answers turns one after the other.

    As a context manager it closes at the end, and cancels what is still running then.
    """

    def __init__(
        self,
        opening: wire.ConverseRequest,
        call: Callable[[Iterator[wire.ConverseRequest]], EventCall],
    ) -> None:
        self._requests: SimpleQueue[wire.ConverseRequest | None] = SimpleQueue()
        self._requests.put(opening)
        self._lock = Lock()
        self._router = Router(self._requests.put)
        self._closing = False
        self._aborted = False
        self._call = call(iter(self._requests.get, None))
        self._reader = Thread(target=self._read, name="fondue-conversation", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        error: FondueError | None = None
        try:
            for event in self._call:
                with self._lock:
                    self._router.take(event)
        except grpc.RpcError as raised:
            error = cancelled() if self._aborted else error_of(raised)
        finally:
            with self._lock:
                self._router.end(error)
            self._requests.put(None)

    def say(self, *parts: Part, **options: Unpack[Options]) -> Reply:
        """Says something; options win over the conversation's. Returns at once: a turn waits for those before it.

        Raises the conversation's error if it is over.
        """
        turn = requests.turn(parts, options)
        events: SimpleQueue[wire.Event | FondueError] = SimpleQueue()
        with self._lock:
            self._check()
            log = TurnLog(parts, self._router.next_number)
            self._router.say(turn, events)
        return TurnReply(log, events, self._cancel_turn)

    def undo(self, turns: int = 1) -> Turns:
        """Takes back the last turns, once those sent before are done; returns the turns that the history holds now.

        Raises `InvalidRequest` if the history holds fewer, and leaves it as it was.
        """
        return self._edit(routing.undo(turns))

    def reset(self) -> Turns:
        """Empties the history, once the turns sent before are done. Settings stay, and turns are numbered on."""
        return self._edit(routing.reset())

    def branch(self, after_turn: int) -> Turns:
        """Makes the history what it was right after a turn (`Reply.number`), whatever came since.

        0 is the history that the conversation was opened with. Raises `InvalidRequest` for a turn that was not answered, or
        that the server does not remember any more.
        """
        return self._edit(routing.branch(after_turn))

    def cancel(self) -> None:
        """Stops the turn that is running; without one it does nothing."""
        with self._lock:
            self._check()
            self._requests.put(routing.cancel())

    def close(self) -> None:
        """Says that nothing more will come, and waits until the turns that were sent are done."""
        with self._lock:
            if not self._closing:
                self._closing = True
                self._requests.put(None)
        self._reader.join()

    def _check(self) -> None:
        if self._closing:
            raise ValueError("the conversation is closed")
        self._router.check()

    def _cancel_turn(self, number: int) -> None:
        with self._lock:
            if self._closing:
                self._abort()  # nothing can be sent any more
            else:
                self._router.cancel(number)

    def _abort(self) -> None:
        self._aborted = True
        self._call.cancel()

    def _edit(self, request: wire.ConverseRequest) -> Turns:
        answer: SimpleQueue[Turns | FondueError] = SimpleQueue()
        with self._lock:
            self._check()
            self._router.edit(request, answer)
        turns = answer.get()
        if isinstance(turns, FondueError):
            raise turns
        return turns

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            unfinished = self._router.open_turns
        if unfinished or kind is not None:
            self._abort()
        self.close()
