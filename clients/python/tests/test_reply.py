"""One turn against a fake gateway: what is asked, what comes, and how it can end."""

import grpc
import pytest
from fake import Gateway, bad_request, end, failed, retry_info, started, text

from fondue import (
    BrokenStream,
    Busy,
    Cancelled,
    Code,
    DeadlineExceeded,
    Done,
    Exchange,
    FinishReason,
    Fondue,
    FondueError,
    Image,
    InvalidRequest,
    Started,
    Text,
    TurnFailed,
    Unavailable,
    Unsupported,
    Violation,
)
from fondue.wire import dialogue_pb2 as wire


def test_events_come_typed_and_make_up_the_answer(client: Fondue) -> None:
    reply = client.reply("Hello")
    assert [type(event) for event in reply] == [Started, Text, Text, Done]
    assert reply.text == "Good day"
    assert reply.done and reply.done.reason is FinishReason.STOP
    answer = reply.wait()
    assert (answer.text, answer.transcript) == ("Good day", "Good day [RET]")
    assert answer.exchange == Exchange(("Hello",), "Good day [RET]", ())


def test_what_is_asked_is_what_was_said(client: Fondue, gateway: Gateway) -> None:
    before = client.reply("Hello").wait()
    options = {"max_new_tokens": 7, "stop": ["."], "compat": "reference", "seed": 0, "max_images": 0}
    client.reply(b"picture", "What is it?", history=[before, Exchange(["a"], "b", ["c"])], **options).wait()
    asked = gateway.asked[-1]
    assert asked.turn.parts[0].image.data == b"picture"
    assert asked.turn.parts[1].text == "What is it?"
    assert [exchange.reply for exchange in asked.history] == ["Good day [RET]", "b"]
    assert list(asked.history[1].image_ids) == ["c"]
    given = asked.turn.options
    assert (given.max_new_tokens, list(given.stop), given.compat) == (7, ["."], wire.COMPAT_REFERENCE)
    assert given.HasField("seed") and given.HasField("max_images"), "a 0 that is given is sent"
    assert not given.HasField("temperature")


def test_an_unknown_option_is_refused_here(client: Fondue) -> None:
    with pytest.raises(TypeError, match="temprature"):
        client.reply("Hello", temprature=1.0)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="compat"):
        client.reply("Hello", compat="published")  # type: ignore[arg-type]


def test_metadata_goes_along(gateway: Gateway) -> None:
    with Fondue(f"http://{gateway.address}/", metadata={"Authorization": "Bearer x"}) as client:
        client.reply("Hello").wait()
    assert gateway.metadata["authorization"] == "Bearer x"


def test_unknown_events_are_passed_over(client: Fondue, gateway: Gateway) -> None:
    answer = gateway.on_reply

    def with_unknown(request, context):
        yield wire.Event()
        # Field 99, as of a contract to come.
        yield wire.Event.FromString(b"\x9a\x06\x00")
        yield from answer(request, context)

    gateway.on_reply = with_unknown
    assert client.reply("Hello").wait().text == "Good day"


def test_large_pictures_pass_both_ways(client: Fondue, gateway: Gateway) -> None:
    size = 65 << 20

    def found(request, context):
        yield started()
        yield wire.Event(image=wire.FoundImage(id="large", data=request.turn.parts[0].image.data))
        yield wire.Event(done=wire.TurnDone())

    gateway.on_reply = found
    answer = client.reply(bytes(size)).wait()
    assert len(answer.images[0].data) == size


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
        (grpc.StatusCode.UNAVAILABLE, Unavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
        (grpc.StatusCode.UNIMPLEMENTED, Unsupported),
        (grpc.StatusCode.NOT_FOUND, FondueError),
    ],
)
def test_each_code_has_its_class(
    client: Fondue, gateway: Gateway, code: grpc.StatusCode, kind: type[FondueError]
) -> None:
    gateway.on_reply = lambda request, context: end(context, code)
    with pytest.raises(kind) as raised:
        client.reply("Hello").wait()
    assert type(raised.value) is kind
    assert raised.value.code.name == code.name
    assert raised.value.message == "no"


def test_a_wrong_request_names_its_fields(client: Fondue, gateway: Gateway) -> None:
    gateway.on_reply = lambda request, context: end(
        context, grpc.StatusCode.INVALID_ARGUMENT, bad_request("turn.parts[0]")
    )
    with pytest.raises(InvalidRequest) as raised:
        client.reply("Hello").wait()
    assert raised.value.violations == (Violation("turn.parts[0]", "is wrong"),)


def test_no_room_tells_when_to_come_back(client: Fondue, gateway: Gateway) -> None:
    gateway.on_reply = lambda request, context: end(
        context, grpc.StatusCode.RESOURCE_EXHAUSTED, retry_info(2, 500_000_000)
    )
    with pytest.raises(Busy) as raised:
        client.reply("Hello").wait()
    assert raised.value.retry_after == 2.5


def test_a_limit_that_waiting_does_not_lift_is_a_fault_of_the_request(client: Fondue, gateway: Gateway) -> None:
    gateway.on_reply = lambda request, context: end(context, grpc.StatusCode.RESOURCE_EXHAUSTED)
    with pytest.raises(InvalidRequest) as raised:
        client.reply("Hello").wait()
    assert raised.value.code is Code.RESOURCE_EXHAUSTED


def test_details_that_cannot_be_read_hide_nothing(client: Fondue, gateway: Gateway) -> None:
    def garbled(request, context):
        context.set_trailing_metadata([("grpc-status-details-bin", b"\xff\xff")])
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no")

    gateway.on_reply = garbled
    with pytest.raises(InvalidRequest, match="no"):
        client.reply("Hello").wait()


def test_a_failed_turn_raises_with_what_it_had_sent(client: Fondue, gateway: Gateway) -> None:
    def fails(request, context):
        yield started()
        yield text("Well")
        yield failed(14, text="Well", retry_delay_ms=250)

    gateway.on_reply = fails
    reply = client.reply("Hello")
    with pytest.raises(TurnFailed) as raised:
        reply.wait()
    error = raised.value
    assert (error.code, error.text, error.retry_after) == (Code.UNAVAILABLE, "Well", 0.25)
    assert isinstance(error, Unavailable)
    assert reply.done is None
    with pytest.raises(TurnFailed):
        reply.wait()


def test_a_stream_without_its_closing_event_is_broken(client: Fondue, gateway: Gateway) -> None:
    gateway.on_reply = lambda request, context: iter([started(), text("A short")])
    reply = client.reply("Hello")
    with pytest.raises(BrokenStream):
        reply.wait()
    assert (reply.text, reply.done) == ("A short", None)
    with pytest.raises(BrokenStream):
        next(reply)


def test_an_empty_stream_is_broken(client: Fondue, gateway: Gateway) -> None:
    gateway.on_reply = lambda request, context: iter([])
    with pytest.raises(BrokenStream):
        client.reply("Hello").wait()


def test_a_connection_lost_within_the_answer_is_a_broken_stream(client: Fondue, gateway: Gateway) -> None:
    def lost(request, context):
        yield started()
        end(context, grpc.StatusCode.UNAVAILABLE)

    gateway.on_reply = lost
    with pytest.raises(BrokenStream) as raised:
        client.reply("Hello").wait()
    assert isinstance(raised.value.__cause__, Unavailable)


def test_nobody_there_is_unavailable(gateway: Gateway) -> None:
    gateway.stop()
    with Fondue(gateway.address) as client, pytest.raises(Unavailable):
        client.reply("Hello").wait()


def test_leaving_the_context_cancels_the_turn(client: Fondue, gateway: Gateway) -> None:
    gateway.on_reply = gateway.until_cancelled
    with client.reply("Hello") as reply:
        next(reply)
    assert gateway.cancelled.wait(30), "the server was not told"
    with pytest.raises(Cancelled):
        reply.wait()
    assert reply.done is None


def test_a_turn_that_is_done_is_not_cancelled(client: Fondue) -> None:
    with client.reply("Hello") as reply:
        reply.wait()
    reply.cancel()
    assert reply.wait().text == "Good day"


def test_the_call_has_a_deadline_of_its_own(gateway: Gateway) -> None:
    gateway.on_reply = gateway.until_cancelled
    with Fondue(gateway.address, timeout=0.5) as client, pytest.raises(DeadlineExceeded):
        client.reply("Hello").wait()


def test_a_picture_has_bytes_or_a_url() -> None:
    with pytest.raises(ValueError, match="either"):
        Image(b"x", "http://x")
    with pytest.raises(ValueError, match="either"):
        Image()
