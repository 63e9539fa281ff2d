"""What happens in a turn, as it comes: `Started`, then `Text`, `FoundImage` and `ImageUnavailable`, last `Done`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage


class FinishReason(Enum):
    """Why a turn ended."""

    UNSPECIFIED = 0
    """The server told none, or one that this client does not know."""
    STOP = 1
    """The model ended its answer."""
    STOP_STRING = 2
    """One of the stop strings came up."""
    LENGTH = 3
    """`max_new_tokens` were generated."""
    CONTEXT_FULL = 4
    """The model's positions ran out."""
    CANCELLED = 5
    """The client cancelled the turn."""


class UnavailableReason(Enum):
    """Why there is no picture."""

    UNSPECIFIED = 0
    """The server told none, or one that this client does not know."""
    UNAVAILABLE = 1
    """The retrieval service could not be reached or failed, or its index was made by another model."""
    NONE_LEFT = 2
    """Every picture of the index was shown already, or the index is empty."""
    DEADLINE = 3
    """The search took too long for this turn."""
    LIMIT = 4
    """The turn's `max_images` were found already."""


@dataclass(frozen=True)
class HistoryCut:
    """What a prompt leaves out, so that it fits: the oldest turns, as few as will do."""

    turns_left_out: int
    """Turns that were left out."""
    turns_kept: int
    """Turns of the history that the prompt holds."""
    max_positions: int
    """The model's positions, which prompt and `max_new_tokens` must fit."""


@dataclass(frozen=True)
class Started:
    """The turn's events begin."""

    turn_id: str
    """Name of the turn, unique across servers."""
    trace_id: str
    """W3C trace id, the same in all services' logs and traces."""
    history_cut: HistoryCut | None = None
    """Set if the history did not fit the model's positions whole."""


@dataclass(frozen=True)
class Text:
    """More text; joined in order, these are the answer."""

    text: str
    """At least one whole character."""
    offset: int
    """Where it begins in the answer, in code points: an index into the answer's `str`."""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class FoundImage:
    """A picture that the model asked for. It may come after later text: `text_offset` tells where it belongs."""

    id: str
    """Name of the picture in the index."""
    score: float
    """Cosine similarity of query and picture, -1 … 1."""
    caption: str
    """What the index says of it."""
    media_type: str
    """For example `image/png`; empty if the index holds no bytes."""
    data: bytes = field(repr=False)
    """The picture file; empty if it was not asked for, or if the index holds only a URL."""
    url: str
    """Where the picture can be had, if the index holds no bytes."""
    generation: str
    """The index generation that it was found in."""
    index: str
    """Which of the server's indexes it is of; empty for the first one."""
    text_offset: int
    """Where in the answer it belongs, in code points."""
    ret_index: int
    """Which `[RET]` of the turn asked for it, from 0."""
    rank: int
    """Its place among that `[RET]`'s pictures, from 0."""

    def save(self, path: str | Path) -> Path:
        """Writes the picture file; raises `ValueError` if there are no bytes, `OSError` as files do."""
        if not self.data:
            raise ValueError(f"picture {self.id} came without bytes" + (f"; see {self.url}" if self.url else ""))
        path = Path(path)
        path.write_bytes(self.data)
        return path

    def pil(self) -> PilImage:
        """The picture as Pillow's; needs the extra `pillow`. Raises `ValueError` if there are no bytes."""
        from io import BytesIO

        from PIL import Image

        if not self.data:
            raise ValueError(f"picture {self.id} came without bytes")
        return Image.open(BytesIO(self.data))


@dataclass(frozen=True)
class ImageUnavailable:
    """A `[RET]` that brought no picture. The text goes on regardless."""

    text_offset: int
    """Where in the answer the picture would belong, in code points."""
    ret_index: int
    """Which `[RET]` of the turn asked, from 0."""
    reason: UnavailableReason
    """Why."""
    message: str
    """For people."""


@dataclass(frozen=True)
class Usage:
    """What a turn took."""

    prompt_tokens: int
    """Positions of the prompt: text tokens and picture prefixes."""
    generated_tokens: int
    """Tokens generated, `[RET]` included."""
    images_in: int
    """Pictures read."""
    images_found: int
    """Pictures found and sent."""
    cached_tokens: int
    """Positions of the prompt that the model remembered from earlier prompts."""


@dataclass(frozen=True)
class SearchTiming:
    """When a search ran, in milliseconds from the turn's start."""

    ret_index: int
    """Which `[RET]` of the turn asked."""
    start_ms: float
    end_ms: float


@dataclass(frozen=True)
class Timings:
    """Where a turn's time went, in milliseconds of wall clock. The parts overlap."""

    vision_ms: float
    """Vision service, all pictures of the turn."""
    queue_ms: float
    """Waiting for the engine."""
    prefill_ms: float
    """Running the prompt through the language model."""
    first_text_ms: float
    """From the turn's start to its first text; 0 if there was none."""
    decode_ms: float
    """Decoding."""
    search_ms: float
    """Searches, added up."""
    total_ms: float
    """The whole turn."""
    fetch_ms: float
    """Fetching pictures from their URLs; before vision."""
    first_token_ms: float
    """From the turn's start to the first token, be it text or `[RET]`; 0 if there was none."""
    searches: tuple[SearchTiming, ...]
    """Each search, in the order of the `[RET]`s."""


@dataclass(frozen=True)
class Done:
    """The turn is complete."""

    reason: FinishReason
    """Why it ended."""
    text: str
    """The whole answer."""
    transcript: str
    """The answer as the model wrote it, with `[RET]`: what `Exchange.reply` wants."""
    usage: Usage | None
    """None if the turn was cancelled before the model had taken it."""
    timings: Timings
    """Where its time went."""


Event: TypeAlias = Started | Text | FoundImage | ImageUnavailable | Done
"""What a turn's stream brings."""
