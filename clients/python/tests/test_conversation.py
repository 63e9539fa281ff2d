"""Conversations against a fake gateway that edits its history as the contract tells."""

import threading

import grpc
import pytest
from fake import Gateway, done, end, started, text

from fondue import (
    BrokenStream,
    Busy,
    Cancelled,
    DeadlineExceeded,
    Exchange,
    FinishReason,
    Fondue,
    InvalidRequest,
    TurnFailed,
    Unavailable,
)


def test_turns_are_told_apart_in_any_order_of_reading(client: Fondue) -> None:
    with client.converse() as talk:
        first, second = talk.say("one"), talk.say("two")
        assert (first.number, second.number) == (1, 2)
        assert second.wait().text == "two [1]"
        assert first.wait().text == "one []"


def test_history_is_undone_reset_and_branched(client: Fondue) -> None:
    with client.converse(history=[Exchange(["a"], "b")]) as talk:
        first, second = talk.say("one"), talk.say("two")
        assert talk.undo() == (0, 1)
        assert second.wait().text == "two [0, 1]"
        assert talk.branch(second.number) == (0, 1, 2)
        assert talk.reset() == ()
        assert talk.branch(0) == (0,)
        assert talk.branch(first.number) == (0, 1)
        assert talk.say("three").wait().text == "three [0, 1]"


def test_an_edit_that_cannot_be_done_names_its_field_and_changes_nothing(client: Fondue) -> None:
    with client.converse() as talk:
        talk.say("one").wait()
        with pytest.raises(InvalidRequest) as raised:
            talk.undo(2)
        assert raised.value.violations[0].field == "undo.turns"
        with pytest.raises(InvalidRequest):
            talk.branch(7)
        with pytest.raises(ValueError):
            talk.undo(0)
        assert talk.say("two").wait().text == "two [1]"


def test_a_failed_turn_leaves_the_conversation_open(client: Fondue) -> None:
    with client.converse() as talk:
        with pytest.raises(Busy) as raised:
            talk.say("refuse").wait()
        assert isinstance(raised.value, TurnFailed) and raised.value.retry_after == 1.5
        assert talk.say("one").wait().text == "one []"


def test_cancelling_ends_the_running_turn_and_keeps_it(client: Fondue) -> None:
    with client.converse() as talk:
        with talk.say("wait") as running:
            next(running)
        assert running.wait().reason is FinishReason.CANCELLED
        other = talk.say("wait")
        next(other)
        talk.cancel()
        assert other.wait().reason is FinishReason.CANCELLED
        assert talk.say("three").wait().text == "three [1, 2]"


def test_a_waiting_turn_is_cancelled_when_its_time_comes_and_no_other(client: Fondue, gateway: Gateway) -> None:
    seen: list[str] = []

    def notes(requests, context):
        for request in requests:
            seen.append(request.WhichOneof("action"))
            if seen[-1] == "turn" and seen.count("turn") == 2:
                yield started(1)
                yield text("one", 1)
                ready.wait()
                second.cancel()
                # What a server says of a turn that it refuses must not stop the one that runs.
                yield started(2)
                yield done("one", 1)
            elif seen[-1] == "cancel":
                yield done("", 2, 5)

    gateway.on_converse = notes
    ready = threading.Event()
    with client.converse() as talk:
        first = talk.say("one")
        second = talk.say("two")
        ready.set()
        assert first.wait().reason is FinishReason.STOP
        assert second.wait().reason is FinishReason.CANCELLED
    assert seen == ["open", "turn", "turn", "cancel"]


def test_defaults_and_options_are_sent(client: Fondue, gateway: Gateway) -> None:
    opened = []

    def notes(requests, context):
        for request in requests:
            opened.append(request)
            if request.HasField("turn"):
                yield done("x", 1)

    gateway.on_converse = notes
    with client.converse(ret_bias=2.0, generation="g1") as talk:
        talk.say("one", ret_bias=3.0).wait()
    assert opened[0].open.defaults.ret_bias == 2.0
    assert opened[0].open.generation == "g1"
    assert opened[1].turn.options.ret_bias == 3.0


def test_a_stream_that_ends_early_breaks_the_turns_that_are_open(client: Fondue, gateway: Gateway) -> None:
    def short(requests, context):
        next(requests), next(requests), next(requests)
        yield started(1)
        yield text("A short", 1)

    gateway.on_converse = short
    talk = client.converse()
    first, second = talk.say("one"), talk.say("two")
    for turn in (first, second):
        with pytest.raises(BrokenStream):
            turn.wait()
    assert (first.text, first.done) == ("A short", None)
    with pytest.raises(Unavailable):
        talk.say("three")
    talk.close()


def test_an_edit_without_an_answer_does_not_wait_for_ever(client: Fondue, gateway: Gateway) -> None:
    def short(requests, context):
        next(requests), next(requests)
        yield from ()

    gateway.on_converse = short
    talk = client.converse()
    with pytest.raises(BrokenStream):
        talk.reset()
    talk.close()


def test_an_idle_conversation_tells_why_it_is_over(client: Fondue, gateway: Gateway) -> None:
    def idle(requests, context):
        next(requests), next(requests)
        yield started(1)
        yield done("one", 1)
        end(context, grpc.StatusCode.DEADLINE_EXCEEDED)

    gateway.on_converse = idle
    talk = client.converse()
    talk.say("one").wait()
    with pytest.raises(DeadlineExceeded):
        talk.undo()
    with pytest.raises(DeadlineExceeded):
        talk.say("two")
    talk.close()


def test_leaving_cancels_what_runs(client: Fondue, gateway: Gateway) -> None:
    def hang(requests, context):
        context.add_callback(gateway.cancelled.set)
        yield started(1)
        gateway.cancelled.wait()

    gateway.on_converse = hang
    with client.converse() as talk:
        turn = talk.say("one")
        next(turn)
    assert gateway.cancelled.wait(30), "the server was not told"
    with pytest.raises(Cancelled):
        turn.wait()
    with pytest.raises(ValueError, match="closed"):
        talk.say("two")


def test_closing_lets_the_turns_that_were_sent_finish(client: Fondue) -> None:
    talk = client.converse()
    turns = [talk.say(words) for words in ("one", "two")]
    talk.close()
    assert [turn.wait().text for turn in turns] == ["one []", "two [1]"]
