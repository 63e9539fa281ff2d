"""Turns that were held: a whole answer, and the exchange that it makes of itself for a history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .events import Done, FinishReason, FoundImage, ImageUnavailable, Started, Timings, Usage
from .pictures import Part


@dataclass(frozen=True)
class Exchange:
    """A turn that was held before."""

    parts: Sequence[Part]
    """What the user said."""
    reply: str
    """What the model answered, `[RET]` included: `Done.transcript`."""
    image_ids: Sequence[str] = ()
    """Ids of the pictures found in it; they are not found again."""


@dataclass(frozen=True)
class Answer:
    """A turn's whole answer."""

    said: tuple[Part, ...]
    """What the user said."""
    started: Started
    """The turn's first event."""
    images: tuple[FoundImage, ...]
    """The pictures found, in the order in which they came."""
    unavailable: tuple[ImageUnavailable, ...]
    """The `[RET]`s that brought no picture."""
    done: Done
    """The turn's closing event."""
    number: int
    """Number of the turn in its conversation, from 1; 0 if it was asked by itself."""

    @property
    def text(self) -> str:
        """The whole text."""
        return self.done.text

    @property
    def transcript(self) -> str:
        """The answer as the model wrote it, with `[RET]`."""
        return self.done.transcript

    @property
    def reason(self) -> FinishReason:
        """Why it ended."""
        return self.done.reason

    @property
    def usage(self) -> Usage | None:
        """What it took; None if it was cancelled before the model had taken it."""
        return self.done.usage

    @property
    def timings(self) -> Timings:
        """Where its time went."""
        return self.done.timings

    @property
    def exchange(self) -> Exchange:
        """The turn as a part of a history."""
        return Exchange(self.said, self.transcript, tuple(image.id for image in self.images))

    def __str__(self) -> str:
        return self.text


History: TypeAlias = Sequence[Exchange | Answer]
"""Turns that were held before, oldest first."""


@dataclass(frozen=True)
class CandidateScore:
    """The likelihood of one text."""

    log_likelihood: float
    """Sum of the log-probabilities of the text's tokens given all before them, in nats."""
    tokens: int
    """Tokens in the text."""


@dataclass(frozen=True)
class Scores:
    """Likelihoods of continuations."""

    candidates: tuple[CandidateScore, ...]
    """In the order of the candidates."""
    prompt: CandidateScore | None
    """Of the prompt's own text tokens; set if `with_prompt` was."""
