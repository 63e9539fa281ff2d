"""Where the server is and what its calls are named: addresses, TLS, message sizes, paths."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import grpc

from .wire import dialogue_pb2 as wire

Metadata: TypeAlias = Mapping[str, str | bytes] | Iterable[tuple[str, str | bytes]]
"""Pairs sent with every call."""

_DIALOGUE = wire.DESCRIPTOR.services_by_name["Dialogue"]


class EventCall(Protocol):
    """A call whose answers are a turn's events."""

    def __iter__(self) -> Iterator[wire.Event]: ...
    def __next__(self) -> wire.Event: ...
    def cancel(self) -> bool | None:
        """Ends it from this side."""


class AsyncEventCall(Protocol):
    """The same for asyncio."""

    def __aiter__(self) -> AsyncIterator[wire.Event]: ...
    def cancel(self) -> bool:
        """Ends it from this side."""


def path(method: str) -> str:
    """The path of a call, by the contract's own names."""
    return f"/{_DIALOGUE.full_name}/{_DIALOGUE.methods_by_name[method].name}"


@dataclass(frozen=True)
class Tls:
    """How to speak TLS, where the system's roots and no certificate of one's own will not do."""

    roots: bytes | None = None
    """PEM of the authorities to trust; None: the system's."""
    key: bytes | None = None
    """PEM of one's own key, with `certificate`."""
    certificate: bytes | None = None
    """PEM of one's own certificate chain."""
    server_name: str | None = None
    """The name that the server's certificate must hold, if it is not that of the address."""


@dataclass(frozen=True)
class Target:
    """A server, as gRPC wants it."""

    address: str
    credentials: grpc.ChannelCredentials | None
    options: tuple[tuple[str, int | str], ...]


def target(address: str, tls: bool | Tls | None) -> Target:
    """Reads an address: `host:port`, or a URL whose scheme tells whether TLS is spoken, unless `tls` does."""
    scheme, found, rest = address.partition("://")
    if found and scheme in ("http", "https"):
        address = rest.rstrip("/")
        tls = scheme == "https" if tls is None else tls
    # Pictures are large: the server's own limits hold, none here.
    options: list[tuple[str, int | str]] = [
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
    ]
    if not tls:
        return Target(address, None, tuple(options))
    how = tls if isinstance(tls, Tls) else Tls()
    if how.server_name:
        options.append(("grpc.ssl_target_name_override", how.server_name))
    return Target(address, grpc.ssl_channel_credentials(how.roots, how.key, how.certificate), tuple(options))


def pairs(metadata: Metadata) -> tuple[tuple[str, str | bytes], ...]:
    """Metadata as gRPC wants it: names in lower case."""
    items = metadata.items() if isinstance(metadata, Mapping) else metadata
    return tuple((name.lower(), value) for name, value in items)
