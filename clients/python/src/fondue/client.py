"""The client: `Fondue`, with one call for each of the contract's."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

import grpc
from typing_extensions import Self, Unpack

from . import requests, wiring
from .answers import found_image, scores
from .conversation import Conversation
from .events import FoundImage
from .history import History, Scores
from .options import Compat, Condition, Options
from .pictures import Part
from .reply import CallReply, Reply
from .status import error_of
from .wire import dialogue_pb2 as wire

DEFAULT_ADDRESS = "127.0.0.1:7400"
"""Where `fondue up` puts the gateway."""


class Fondue:
    """A client of one gateway. Threads may share it. Nothing is sent before the first call.

    `address`: `host:port`, or a URL whose scheme tells whether TLS is spoken. `tls`: True, or how; default: no TLS unless the
    address says `https`. `timeout`: seconds that `reply`, `retrieve` and `score` may take; default: the server's limits alone.
    `metadata`: pairs sent with every call, for example an `authorization` that a proxy wants.
    """

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
            self._channel = grpc.insecure_channel(target.address, target.options)
        else:
            self._channel = grpc.secure_channel(target.address, target.credentials, target.options)
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

    def reply(self, *parts: Part, history: History = (), **options: Unpack[Options]) -> Reply:
        """Asks one turn; its history comes along and the server keeps nothing. Returns at once.

        A `str` is text, in which `[RET]` is the retrieval token; a `Path`, bytes, Pillow's image or an `Image` is a picture.
        """
        request = requests.reply(parts, history, options)
        return CallReply(parts, self._reply(request, timeout=self._timeout, metadata=self._metadata))

    def converse(self, *, history: History = (), **defaults: Unpack[Options]) -> Conversation:
        """Opens a conversation of many turns, of which the server keeps the history.

        `defaults` hold for each turn that does not say otherwise.
        """
        opening = requests.opening(history, defaults)
        return Conversation(opening, lambda sent: self._converse(sent, metadata=self._metadata))

    def retrieve(
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
        """Pictures for a prompt, best first, without generating text. `k`: 1 … 100, default 10."""
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
            response = self._retrieve(request, timeout=self._timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise error_of(error) from None
        return [found_image(image) for image in response.images]

    def score(
        self,
        *parts: Part,
        candidates: Sequence[str] = (),
        with_prompt: bool = False,
        compat: Compat | None = None,
        cache_key: str = "",
    ) -> Scores:
        """How likely the model finds each of several continuations of a prompt, and with `with_prompt` the prompt."""
        request = requests.score(
            parts, candidates, with_prompt=with_prompt, compat=compat, cache_key=cache_key
        )
        try:
            response = self._score(request, timeout=self._timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise error_of(error) from None
        return scores(response)

    def close(self) -> None:
        """Closes the connection; calls that run end as cancelled."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
