"""The client for asyncio: `AsyncFondue`, the same calls as `Fondue`."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

import grpc
import grpc.aio
from typing_extensions import Self, Unpack

from . import requests, wiring
from .aio_conversation import AsyncConversation
from .aio_reply import AsyncCallReply, AsyncReply
from .answers import found_image, scores
from .client import DEFAULT_ADDRESS
from .events import FoundImage
from .history import History, Scores
from .options import Compat, Condition, Options
from .pictures import Part
from .status import error_of
from .wire import dialogue_pb2 as wire


class AsyncFondue:
    """A client of one gateway, for one event loop. Parameters are those of `Fondue`; to be made within the loop."""

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        tls: bool | wiring.Tls | None = None,
        timeout: float | None = None,
        metadata: wiring.Metadata = (),
    ) -> None:
        target = wiring.target(address, tls)
        if target.credentials is None:
            self._channel = grpc.aio.insecure_channel(target.address, target.options)
        else:
            self._channel = grpc.aio.secure_channel(target.address, target.credentials, target.options)
        self._timeout = timeout
        self._metadata = wiring.pairs(metadata)
        self._reply = self._channel.unary_stream(
            wiring.path("Reply"), wire.ReplyRequest.SerializeToString, wire.Event.FromString
        )
        self._converse = self._channel.stream_stream(
            wiring.path("Converse"), wire.ConverseRequest.SerializeToString, wire.Event.FromString
        )
        self._retrieve = self._channel.unary_unary(
            wiring.path("Retrieve"),
            wire.RetrieveRequest.SerializeToString,
            wire.RetrieveResponse.FromString,
        )
        self._score = self._channel.unary_unary(
            wiring.path("Score"), wire.ScoreRequest.SerializeToString, wire.ScoreResponse.FromString
        )

    def reply(self, *parts: Part, history: History = (), **options: Unpack[Options]) -> AsyncReply:
        """Asks one turn, as `Fondue.reply`. Returns at once: iterate with `async for`, or `await` the whole answer."""
        request = requests.reply(parts, history, options)
        call = self._reply(request, timeout=self._timeout, metadata=self._metadata)
        return AsyncCallReply(parts, call)

    def converse(self, *, history: History = (), **defaults: Unpack[Options]) -> AsyncConversation:
        """Opens a conversation, as `Fondue.converse`."""
        opening = requests.opening(history, defaults)
        return AsyncConversation(opening, lambda sent: self._converse(sent, metadata=self._metadata))

    async def retrieve(
        self,
        *parts: Part,
        k: int | None = None,
        excluded_ids: Sequence[str] = (),
        generation: str = "",
        include_data: bool = False,
        compat: Compat | None = None,
        cache_key: str = "",
        conditions: Sequence[Condition] = (),
        index: str = "",
    ) -> list[FoundImage]:
        """Pictures for a prompt, best first, as `Fondue.retrieve`."""
        request = requests.retrieve(
            parts,
            k=k,
            excluded_ids=excluded_ids,
            generation=generation,
            include_data=include_data,
            compat=compat,
            cache_key=cache_key,
            conditions=conditions,
            index=index,
        )
        try:
            response = await self._retrieve(request, timeout=self._timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise error_of(error) from None
        return [found_image(image) for image in response.images]

    async def score(
        self,
        *parts: Part,
        candidates: Sequence[str] = (),
        with_prompt: bool = False,
        compat: Compat | None = None,
        cache_key: str = "",
    ) -> Scores:
        """How likely the model finds each of several continuations, as `Fondue.score`."""
        request = requests.score(
            parts, candidates, with_prompt=with_prompt, compat=compat, cache_key=cache_key
        )
        try:
            response = await self._score(request, timeout=self._timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise error_of(error) from None
        return scores(response)

    async def close(self) -> None:
        """Closes the connection; calls that run end as cancelled."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
