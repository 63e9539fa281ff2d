"""One turn's stream of events, to be iterated; the base of those asked alone and those of a conversation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType

import grpc
from typing_extensions import Self

from .answers import TurnLog
from .errors import FondueError
from .events import Done, Event, FoundImage, ImageUnavailable, Started
from .history import Answer
from .pictures import Part
from .status import cancelled, closed, error_of
from .wiring import EventCall
from .wire import dialogue_pb2 as wire


class Progress:
    """What a turn has brought so far."""

    def __init__(self, log: TurnLog) -> None:
        self._log = log
        self._error: FondueError | None = None

    @property
    def number(self) -> int:
        """Number of the turn in its conversation, from 1; 0 if it was asked by itself."""
        return self._log.number

    @property
    def started(self) -> Started | None:
        """The first event, once it came."""
        return self._log.started

    @property
    def text(self) -> str:
        """The text so far."""
        return self._log.text

    @property
    def images(self) -> tuple[FoundImage, ...]:
        """The pictures so far."""
        return tuple(self._log.images)

    @property
    def unavailable(self) -> tuple[ImageUnavailable, ...]:
        """The `[RET]`s that brought no picture, so far."""
        return tuple(self._log.unavailable)

    @property
    def done(self) -> Done | None:
        """The closing event, once it came. Without it the answer is not whole."""
        return self._log.done

    @property
    def _closed(self) -> bool:
        return self._log.done is not None or self._error is not None


class Reply(Progress, ABC):
    """A turn's events as they come. Iterate over it, or `wait()` for the whole answer.

    Iterating raises `TurnFailed` if the turn could not be completed, `BrokenStream` if its stream ended early, and any
    other `FondueError` that kept it from beginning. As a context manager it cancels a turn that is not done at its end.
    Not to be iterated by two threads at once.
    """

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        while True:
            if self._error is not None:
                raise self._error
            if self._log.done is not None:
                self._finish()
                raise StopIteration
            try:
                event = self._log.take(self._pull())
            except FondueError as error:
                self._error = error
                raise
            if event is not None:
                return event

    def wait(self) -> Answer:
        """The whole answer, once it is there. Raises as iterating does."""
        for _ in self:
            pass
        return self._log.answer()

    @abstractmethod
    def cancel(self) -> None:
        """Stops the turn; does nothing if it has ended."""

    @abstractmethod
    def _pull(self) -> wire.Event:
        """The next event, or a `FondueError`."""

    def _finish(self) -> None:
        """Lets go of what is not needed once the turn is done."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._closed:
            self.cancel()


class CallReply(Reply):
    """A turn asked by itself: its call is its stream."""

    def __init__(self, said: tuple[Part, ...], call: EventCall) -> None:
        super().__init__(TurnLog(said))
        self._call = call
        self._cancelled = False

    def cancel(self) -> None:
        """Stops the turn in every service. Iterating raises `Cancelled` from then on; what came stays."""
        if not self._closed:
            self._cancelled = True
            self._call.cancel()

    def _pull(self) -> wire.Event:
        if self._cancelled:
            raise cancelled()
        try:
            return next(self._call)
        except StopIteration:
            raise closed(None, self._log.started is not None) from None
        except grpc.RpcError as error:
            if self._cancelled:
                raise cancelled() from None
            ended = closed(error_of(error), self._log.started is not None)
            raise ended from ended.__cause__

    def _finish(self) -> None:
        # The end of the call, so that the server sees it taken, not broken off. The turn's outcome is known already.
        try:
            next(self._call, None)
        except grpc.RpcError:
            pass
