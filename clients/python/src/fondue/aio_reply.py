"""One turn's stream of events for asyncio."""

from __future__ import annotations

from abc import ABC, abstractmethod
from asyncio import CancelledError
from collections.abc import Generator
from types import TracebackType
from typing import Any

import grpc
from typing_extensions import Self

from .answers import TurnLog
from .errors import FondueError
from .events import Event
from .history import Answer
from .pictures import Part
from .reply import Progress
from .status import cancelled, closed, error_of
from .wiring import AsyncEventCall
from .wire import dialogue_pb2 as wire


class AsyncReply(Progress, ABC):
    """A turn's events as they come, as `Reply`: iterate with `async for`, or `await` it for the whole answer."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while True:
            if self._error is not None:
                raise self._error
            if self._log.done is not None:
                await self._finish()
                raise StopAsyncIteration
            try:
                event = self._log.take(await self._pull())
            except FondueError as error:
                self._error = error
                raise
            if event is not None:
                return event

    async def wait(self) -> Answer:
        """The whole answer, once it is there. Raises as iterating does."""
        async for _ in self:
            pass
        return self._log.answer()

    def __await__(self) -> Generator[Any, None, Answer]:
        return self.wait().__await__()

    @abstractmethod
    def cancel(self) -> None:
        """Stops the turn; does nothing if it has ended."""

    @abstractmethod
    async def _pull(self) -> wire.Event:
        """The next event, or a `FondueError`."""

    async def _finish(self) -> None:
        """Lets go of what is not needed once the turn is done."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._closed:
            self.cancel()


class AsyncCallReply(AsyncReply):
    """A turn asked by itself: its call is its stream."""

    def __init__(self, said: tuple[Part, ...], call: AsyncEventCall) -> None:
        super().__init__(TurnLog(said))
        self._call = call
        self._events = aiter(call)
        self._cancelled = False

    def cancel(self) -> None:
        """Stops the turn in every service. Iterating raises `Cancelled` from then on; what came stays."""
        if not self._closed:
            self._cancelled = True
            self._call.cancel()

    async def _pull(self) -> wire.Event:
        started = self._log.started is not None
        try:
            if not self._cancelled:
                return await anext(self._events)
        except StopAsyncIteration:
            raise closed(None, started) from None
        except grpc.RpcError as error:
            ended = closed(error_of(error), started)
            raise ended from ended.__cause__
        except CancelledError:
            # Also what a task is ended with from outside, which is not ours to swallow.
            if not self._cancelled:
                raise
        raise cancelled()

    async def _finish(self) -> None:
        # The end of the call, so that the server sees it taken, not broken off. The turn's outcome is known already.
        try:
            await anext(self._events, None)
        except grpc.RpcError:
            pass
