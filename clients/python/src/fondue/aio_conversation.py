"""A conversation of many turns over one stream, for asyncio."""

from __future__ import annotations

from asyncio import CancelledError, Queue, Task, create_task, wait
from collections.abc import AsyncIterator, Callable
from types import TracebackType

import grpc
from typing_extensions import Self, Unpack

from . import requests, routing
from .aio_reply import AsyncReply
from .answers import TurnLog
from .errors import FondueError
from .options import Options
from .pictures import Part
from .routing import Router, Turns
from .status import cancelled, error_of
from .wiring import AsyncEventCall
from .wire import dialogue_pb2 as wire


class AsyncTurnReply(AsyncReply):
    """A turn of a conversation. It may wait for the turns that were sent before it."""

    def __init__(
        self, log: TurnLog, events: Queue[wire.Event | FondueError], cancel: Callable[[int], None]
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

    async def _pull(self) -> wire.Event:
        event = await self._events.get()
        if isinstance(event, FondueError):
            raise event
        return event


class AsyncConversation:
    """A conversation, as `Conversation`. Tasks may share it; the server answers turns one after the other."""

    def __init__(
        self,
        opening: wire.ConverseRequest,
        call: Callable[[AsyncIterator[wire.ConverseRequest]], AsyncEventCall],
    ) -> None:
        self._requests: Queue[wire.ConverseRequest | None] = Queue()
        self._requests.put_nowait(opening)
        self._router = Router(self._requests.put_nowait)
        self._closing = False
        self._call = call(self._sent())
        self._reader: Task[None] = create_task(self._read())

    async def _sent(self) -> AsyncIterator[wire.ConverseRequest]:
        while (request := await self._requests.get()) is not None:
            yield request

    async def _read(self) -> None:
        error: FondueError | None = None
        try:
            async for event in self._call:
                self._router.take(event)
        except grpc.RpcError as raised:
            error = error_of(raised)
        except CancelledError:
            error = cancelled()
        finally:
            self._router.end(error)
            self._requests.put_nowait(None)

    def say(self, *parts: Part, **options: Unpack[Options]) -> AsyncReply:
        """Says something, as `Conversation.say`."""
        turn = requests.turn(parts, options)
        events: Queue[wire.Event | FondueError] = Queue()
        self._check()
        log = TurnLog(parts, self._router.next_number)
        self._router.say(turn, events)
        return AsyncTurnReply(log, events, self._cancel_turn)

    async def undo(self, turns: int = 1) -> Turns:
        """Takes back the last turns, as `Conversation.undo`."""
        return await self._edit(routing.undo(turns))

    async def reset(self) -> Turns:
        """Empties the history, as `Conversation.reset`."""
        return await self._edit(routing.reset())

    async def branch(self, after_turn: int) -> Turns:
        """Makes the history what it was right after a turn, as `Conversation.branch`."""
        return await self._edit(routing.branch(after_turn))

    def cancel(self) -> None:
        """Stops the turn that is running; without one it does nothing."""
        self._check()
        self._requests.put_nowait(routing.cancel())

    async def close(self) -> None:
        """Says that nothing more will come, and waits until the turns that were sent are done."""
        if not self._closing:
            self._closing = True
            self._requests.put_nowait(None)
        # Not the reader itself: whoever stops waiting must not stop it.
        await wait([self._reader])

    def _check(self) -> None:
        if self._closing:
            raise ValueError("the conversation is closed")
        self._router.check()

    def _cancel_turn(self, number: int) -> None:
        if self._closing:
            # Nothing can be sent any more.
            self._call.cancel()
        else:
            self._router.cancel(number)

    async def _edit(self, request: wire.ConverseRequest) -> Turns:
        answer: Queue[Turns | FondueError] = Queue()
        self._check()
        self._router.edit(request, answer)
        turns = await answer.get()
        if isinstance(turns, FondueError):
            raise turns
        return turns

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._router.open_turns or kind is not None:
            self._call.cancel()
        await self.close()
