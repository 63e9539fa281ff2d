"""A gateway of the tests' own, in this process: it answers as a test tells it to, and notes what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status

from fondue import wiring
from fondue.wire import dialogue_pb2 as wire

Events = Iterator[wire.Event]


def started(turn: int = 0) -> wire.Event:
    return wire.Event(turn=turn, started=wire.TurnStarted(turn_id=f"turn-{turn}", trace_id="0" * 32))


def text(words: str, turn: int = 0, offset: int = 0) -> wire.Event:
    return wire.Event(turn=turn, text=wire.TextDelta(text=words, offset=offset))


def done(words: str, turn: int = 0, reason: int = wire.FINISH_REASON_STOP) -> wire.Event:
    closing = wire.TurnDone(reason=reason, text=words, transcript=f"{words} [RET]", usage=wire.Usage())
    return wire.Event(turn=turn, done=closing)


def failed(code: int, turn: int = 0, **fields: Any) -> wire.Event:
    return wire.Event(turn=turn, failed=wire.TurnFailed(code=code, message="no", **fields))


def end(context: grpc.ServicerContext, code: grpc.StatusCode, *details: Any) -> None:
    """Ends the call with a code and `google.rpc` details, as the gateway does."""
    packed = []
    for detail in details:
        packed.append(AnyMessage())
        packed[-1].Pack(detail)
    status = Status(code=code.value[0], message="no", details=packed)
    context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
    context.abort(code, "no")


def bad_request(field: str) -> BadRequest:
    return BadRequest(field_violations=[{"field": field, "description": "is wrong"}])


def retry_info(seconds: int, nanos: int = 0) -> RetryInfo:
    return RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos))


class Gateway:
    """Serves on a free port until `stop`. A test sets `on_reply` and the like to what the call does."""

    def __init__(self, credentials: grpc.ServerCredentials | None = None) -> None:
        self.on_reply: Callable[[wire.ReplyRequest, grpc.ServicerContext], Events] = self._answer
        self.on_converse: Callable[[Iterator[wire.ConverseRequest], grpc.ServicerContext], Events]
        self.on_converse = converse
        self.on_retrieve: Callable[[wire.RetrieveRequest, grpc.ServicerContext], wire.RetrieveResponse]
        self.on_score: Callable[[wire.ScoreRequest, grpc.ServicerContext], wire.ScoreResponse]
        self.asked: list[Any] = []
        self.metadata: dict[str, Any] = {}
        self.cancelled = threading.Event()
        self._server = grpc.server(
            futures.ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", -1)]
        )
        handlers = {
            "Reply": grpc.unary_stream_rpc_method_handler(
                self._noted("on_reply"), wire.ReplyRequest.FromString, wire.Event.SerializeToString
            ),
            "Converse": grpc.stream_stream_rpc_method_handler(
                self._noted("on_converse"), wire.ConverseRequest.FromString, wire.Event.SerializeToString
            ),
            "Retrieve": grpc.unary_unary_rpc_method_handler(
                self._noted("on_retrieve"),
                wire.RetrieveRequest.FromString,
                wire.RetrieveResponse.SerializeToString,
            ),
            "Score": grpc.unary_unary_rpc_method_handler(
                self._noted("on_score"), wire.ScoreRequest.FromString, wire.ScoreResponse.SerializeToString
            ),
        }
        service = wiring.path("Reply").split("/")[1]
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])
        if credentials is None:
            self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        else:
            self.address = f"https://localhost:{self._server.add_secure_port('127.0.0.1:0', credentials)}"
        self._server.start()

    def _noted(self, name: str) -> Callable[[Any, grpc.ServicerContext], Any]:
        def call(request: Any, context: grpc.ServicerContext) -> Any:
            self.asked.append(request)
            self.metadata = dict(context.invocation_metadata())
            return getattr(self, name)(request, context)

        return call

    def _answer(self, request: wire.ReplyRequest, context: grpc.ServicerContext) -> Events:
        yield from (started(), text("Good "), text("day", offset=5), done("Good day"))

    def until_cancelled(self, request: Any, context: grpc.ServicerContext) -> Events:
        """Begins and then says nothing more, until the client goes."""
        context.add_callback(self.cancelled.set)
        yield started()
        yield text("Well")
        self.cancelled.wait()

    def stop(self) -> None:
        self._server.stop(None).wait()


def converse(requests: Iterator[wire.ConverseRequest], context: grpc.ServicerContext) -> Events:
    """A conversation with edits, as the contract tells: a turn's answer is its own words and the history before it.

    Words decide: `wait` runs until it is cancelled, `refuse` fails.
    """
    history: list[int] = []
    remembered: dict[int, list[int]] = {0: []}
    n_turns = 0
    for request in requests:
        action = request.WhichOneof("action")
        if action == "open":
            history = [0] * len(request.open.history)
            remembered[0] = list(history)
        elif action == "turn":
            n_turns += 1
            words = request.turn.parts[0].text
            yield started(n_turns)
            if words == "refuse":
                yield failed(8, n_turns, retry_delay_ms=1500)
                continue
            if words == "wait":
                yield text("wait", n_turns)
                while next(requests).WhichOneof("action") != "cancel":
                    pass
                yield done("wait", n_turns, wire.FINISH_REASON_CANCELLED)
            else:
                answer = f"{words} {history}"
                yield text(answer, n_turns)
                yield done(answer, n_turns)
            history.append(n_turns)
            remembered[n_turns] = list(history)
        elif action == "undo":
            if (request.undo.turns or 1) > len(history):
                yield edit_failed("undo.turns")
                continue
            del history[-(request.undo.turns or 1) :]
            yield changed(history)
        elif action == "reset":
            history = []
            yield changed(history)
        elif action == "branch":
            if request.branch.after_turn not in remembered:
                yield edit_failed("branch.after_turn")
                continue
            history = list(remembered[request.branch.after_turn])
            yield changed(history)


def changed(turns: list[int]) -> wire.Event:
    return wire.Event(history_changed=wire.HistoryChanged(turns=turns))


def edit_failed(field: str) -> wire.Event:
    violation = wire.FieldViolation(field=field, description="is not there")
    return wire.Event(edit_failed=wire.EditFailed(code=3, message="no", violations=[violation]))
