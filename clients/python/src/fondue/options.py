"""How to answer a turn: options by the names that they have in the contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from typing_extensions import TypedDict

Compat: TypeAlias = Literal["off", "reference"]
"""Whether to behave as is right (`off`), or as the published code does where that differs."""

Value: TypeAlias = str | float | bool
"""A value of an index's metadata."""


@dataclass(frozen=True)
class Condition:
    """A test of what an index knows of a picture: equality, membership or a range, one of them."""

    field: str
    """A field of the metadata, or `group`, `media_type`, `caption` or `id`."""
    equals: Value | None = None
    """What the value must be."""
    any_of: Sequence[Value] | None = None
    """What the value may be, at most 1000."""
    at_least: float | None = None
    """Bounds of a number; at least one makes a range."""
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    negate: bool = False
    """Whether the test must fail instead."""

    def __post_init__(self) -> None:
        bounds = (self.at_least, self.above, self.at_most, self.below)
        tests = (self.equals is not None, self.any_of is not None, any(bound is not None for bound in bounds))
        if sum(tests) != 1:
            raise ValueError(f"a condition on {self.field} has one test: equals, any_of or bounds")


class Options(TypedDict, total=False):
    """How to answer. What is left out is the conversation's, then the server's default."""

    max_new_tokens: int
    """Tokens to generate at most; 1 … 1024 (server's limit), default 64."""
    temperature: float
    """Sampling temperature; 0 (default) is greedy. 0 … 100."""
    top_p: float
    """Nucleus sampling; 0 < top_p <= 1, default 1. Other than 1 needs a temperature above 0."""
    seed: int
    """Seed of the sampler; default: random."""
    stop: Sequence[str]
    """The answer ends before the first of these. At most 8, of 1 … 64 bytes."""
    ret_bias: float
    """Added to the logit of `[RET]`: above 0 more pictures, below 0 fewer. -100 … 100."""
    ret_scale_factor: float
    """Makes `[RET]` likelier above 1 and rarer below. 0 … 100, default 1."""
    min_word_tokens: int
    """No `[RET]` among this many first tokens."""
    max_images_per_ret: int
    """Pictures for each `[RET]`; 1 … 16, default 1."""
    max_images: int
    """Pictures in the turn; 0 forbids `[RET]`. 0 … 32, default 2."""
    feed_back_images: bool
    """Whether the pictures found enter the prompt of the next turns. Default false."""
    timeout_ms: int
    """Time for the whole turn, in milliseconds; 1 … 600000, default 60000."""
    compat: Compat
    """Right or published behaviour."""
    cache_key: str
    """Only turns with the same key share the model's memory of earlier prompts."""
    conditions: Sequence[Condition]
    """What the pictures that are found must be; all must hold."""
    generation: str
    """The index generation that pictures are found in."""
    index: str
    """Which of the server's indexes to search; default: the first."""
