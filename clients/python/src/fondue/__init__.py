"""Client of Fondue: dialogues of texts and pictures, streamed. `Fondue` for threads, `AsyncFondue` for asyncio."""

from .aio import AsyncFondue
from .aio_conversation import AsyncConversation
from .aio_reply import AsyncReply
from .client import DEFAULT_ADDRESS, Fondue
from .conversation import Conversation
from .errors import (
    BrokenStream,
    Busy,
    Cancelled,
    Code,
    DeadlineExceeded,
    FondueError,
    InvalidRequest,
    TurnFailed,
    Unavailable,
    Unsupported,
    Violation,
)
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
from .history import Answer, CandidateScore, Exchange, History, Scores
from .options import Compat, Condition, Options, Value
from .pictures import Fit, Image, Part
from .reply import Reply
from .wiring import Metadata, Tls

__all__ = [
    "DEFAULT_ADDRESS",
    "Answer",
    "AsyncConversation",
    "AsyncFondue",
    "AsyncReply",
    "BrokenStream",
    "Busy",
    "Cancelled",
    "CandidateScore",
    "Code",
    "Compat",
    "Condition",
    "Conversation",
    "DeadlineExceeded",
    "Done",
    "Event",
    "Exchange",
    "FinishReason",
    "Fit",
    "Fondue",
    "FondueError",
    "FoundImage",
    "History",
    "HistoryCut",
    "Image",
    "ImageUnavailable",
    "InvalidRequest",
    "Metadata",
    "Options",
    "Part",
    "Reply",
    "Scores",
    "SearchTiming",
    "Started",
    "Text",
    "Timings",
    "Tls",
    "TurnFailed",
    "Unavailable",
    "UnavailableReason",
    "Unsupported",
    "Usage",
    "Value",
    "Violation",
]
