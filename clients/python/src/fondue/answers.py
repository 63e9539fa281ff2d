"""From the contract's answers to ours, and what a turn's events have brought so far."""

from __future__ import annotations

from .errors import FondueError, TurnFailed, Violation, call_error, code_of, turn_error
from .events import (
    Done,
    Event,
    FinishReason,
    FoundImage,
    HistoryCut,
    ImageUnavailable,
    SearchTiming,
    Started,
    Text,
    Timings,
    UnavailableReason,
    Usage,
)
from .history import Answer, CandidateScore, Scores
from .pictures import Part
from .wire import dialogue_pb2 as wire


class TurnLog:
    """What a turn's events have brought so far."""

    def __init__(self, said: tuple[Part, ...], number: int = 0) -> None:
        self.said = said
        self.number = number
        self.started: Started | None = None
        self.texts: list[str] = []
        self.images: list[FoundImage] = []
        self.unavailable: list[ImageUnavailable] = []
        self.done: Done | None = None

    def take(self, event: wire.Event) -> Event | None:
        """Notes an event and translates it; None for kinds that this client does not know. Raises `TurnFailed`."""
        kind = event.WhichOneof("kind")
        if kind == "started":
            self.started = _started(event.started)
            return self.started
        if kind == "text":
            self.texts.append(event.text.text)
            return Text(event.text.text, event.text.offset)
        if kind == "image":
            found = found_image(event.image)
            self.images.append(found)
            return found
        if kind == "image_unavailable":
            missing = _unavailable(event.image_unavailable)
            self.unavailable.append(missing)
            return missing
        if kind == "done":
            self.done = _done(event.done)
            return self.done
        if kind == "failed":
            raise _failed(event.failed)
        return None

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self.texts)

    def answer(self) -> Answer:
        """The whole answer of a turn that is done."""
        assert self.done is not None, "only a turn that is done has an answer"
        started = self.started or Started("", "")
        images, unavailable = tuple(self.images), tuple(self.unavailable)
        return Answer(self.said, started, images, unavailable, self.done, self.number)


def _started(event: wire.TurnStarted) -> Started:
    cut = None
    if event.HasField("history_cut"):
        told = event.history_cut
        cut = HistoryCut(told.turns_left_out, told.turns_kept, told.max_positions)
    return Started(event.turn_id, event.trace_id, cut)


def found_image(image: wire.FoundImage) -> FoundImage:
    """A picture that was found."""
    return FoundImage(
        id=image.id,
        score=image.score,
        caption=image.caption,
        media_type=image.media_type,
        data=image.data,
        url=image.url,
        generation=image.generation,
        index=image.index,
        text_offset=image.text_offset,
        ret_index=image.ret_index,
        rank=image.rank,
    )


def _unavailable(event: wire.ImageUnavailable) -> ImageUnavailable:
    known = event.reason in [reason.value for reason in UnavailableReason]
    reason = UnavailableReason(event.reason) if known else UnavailableReason.UNSPECIFIED
    return ImageUnavailable(event.text_offset, event.ret_index, reason, event.message)


def _done(event: wire.TurnDone) -> Done:
    known = event.reason in [reason.value for reason in FinishReason]
    reason = FinishReason(event.reason) if known else FinishReason.UNSPECIFIED
    usage = None
    if event.HasField("usage"):
        took = event.usage
        usage = Usage(
            took.prompt_tokens, took.generated_tokens, took.images_in, took.images_found, took.cached_tokens
        )
    return Done(reason, event.text, event.transcript, usage, _timings(event.timings))


def _timings(timings: wire.Timings) -> Timings:
    return Timings(
        vision_ms=timings.vision_ms,
        queue_ms=timings.queue_ms,
        prefill_ms=timings.prefill_ms,
        first_text_ms=timings.first_text_ms,
        decode_ms=timings.decode_ms,
        search_ms=timings.search_ms,
        total_ms=timings.total_ms,
        fetch_ms=timings.fetch_ms,
        first_token_ms=timings.first_token_ms,
        searches=tuple(
            SearchTiming(each.ret_index, each.start_ms, each.end_ms) for each in timings.searches
        ),
    )


def _failed(event: wire.TurnFailed) -> TurnFailed:
    retry_after = event.retry_delay_ms / 1000 if event.retry_delay_ms else None
    violations = [Violation(each.field, each.description) for each in event.violations]
    return turn_error(code_of(event.code), event.message, violations, retry_after, event.text)


def edit_error(event: wire.EditFailed) -> FondueError:
    """The error of an edit that could not be done."""
    violations = [Violation(each.field, each.description) for each in event.violations]
    return call_error(code_of(event.code), event.message, violations)


def scores(response: wire.ScoreResponse) -> Scores:
    """Likelihoods of continuations."""
    prompt = _score(response.prompt) if response.HasField("prompt") else None
    return Scores(tuple(_score(each) for each in response.scores), prompt)


def _score(score: wire.CandidateScore) -> CandidateScore:
    return CandidateScore(score.log_likelihood, score.tokens)
