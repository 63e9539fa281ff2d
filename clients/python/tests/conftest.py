"""What the tests share: the fake gateway, and the served one that `FONDUE_ADDRESS` names."""

import os
from collections.abc import Iterator

import pytest
from fake import Gateway

from fondue import Fondue


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A fake gateway of this test's own."""
    gateway = Gateway()
    yield gateway
    gateway.stop()


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Fondue]:
    """A client of the fake gateway."""
    with Fondue(gateway.address) as client:
        yield client


@pytest.fixture(scope="session")
def address() -> str:
    """Where the real services are: start them with `fondue up`."""
    address = os.environ.get("FONDUE_ADDRESS")
    assert address, "set FONDUE_ADDRESS to the gateway of running services, for example 127.0.0.1:7400"
    return address


@pytest.fixture
def served(address: str) -> Iterator[Fondue]:
    """A client of the real services."""
    with Fondue(address, timeout=120) as client:
        yield client
