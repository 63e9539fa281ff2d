"""The client for asyncio against a fake gateway."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio
from fake import Gateway, bad_request, done, end, failed, retry_info, started, text

from fondue import (
    AsyncFondue,
    BrokenStream,
    Busy,
    Cancelled,
    DeadlineExceeded,
    Done,
    Exchange,
    FinishReason,
    InvalidRequest,
    Started,
    Text,
    TurnFailed,
    Unavailable,
)


@pytest_asyncio.fixture
async def client(gateway: Gateway) -> AsyncIterator[AsyncFondue]:
    async with AsyncFondue(gateway.address) as client:
        yield client


async def test_events_come_typed_and_make_up_the_answer(client: AsyncFondue) -> None:
    reply = client.reply("Hello", history=[Exchange(["a"], "b")])
    assert [type(event) async for event in reply] == [Started, Text, Text, Done]
    assert (await reply).text == reply.text == "Good day"


async def test_replies_run_side_by_side(client: AsyncFondue) -> None:
    answers = await asyncio.gather(*[client.reply("Hello").wait() for _ in range(5)])
    assert [answer.text for answer in answers] == ["Good day"] * 5


async def test_large_pictures_pass(client: AsyncFondue, gateway: Gateway) -> None:
    await client.reply(bytes(65 << 20))
    assert len(gateway.asked[-1].turn.parts[0].image.data) == 65 << 20


async def test_errors_come_with_their_details(client: AsyncFondue, gateway: Gateway) -> None:
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    gateway.on_reply = lambda request, context: end(context, invalid, bad_request("turn"))
    with pytest.raises(InvalidRequest) as raised:
        await client.reply("Hello")
    assert raised.value.violations[0].field == "turn"
    exhausted = grpc.StatusCode.RESOURCE_EXHAUSTED
    gateway.on_retrieve = lambda request, context: end(context, exhausted, retry_info(3))
    with pytest.raises(Busy) as refused:
        await client.retrieve("Hello")
    assert refused.value.retry_after == 3
    gateway.on_score = lambda request, context: end(context, grpc.StatusCode.UNAVAILABLE)
    with pytest.raises(Unavailable):
        await client.score("Hello", candidates=["a"])


async def test_a_failed_turn_raises(client: AsyncFondue, gateway: Gateway) -> None:
    gateway.on_reply = lambda request, context: iter([started(), failed(4)])
    with pytest.raises(TurnFailed) as raised:
        await client.reply("Hello")
    assert isinstance(raised.value, DeadlineExceeded)


async def test_a_stream_without_its_closing_event_is_broken(client: AsyncFondue, gateway: Gateway) -> None:
    gateway.on_reply = lambda request, context: iter([started(), text("A short")])
    with pytest.raises(BrokenStream):
        await client.reply("Hello")

    def lost(request, context):
        yield started()
        end(context, grpc.StatusCode.UNAVAILABLE)

    gateway.on_reply = lost
    with pytest.raises(BrokenStream) as raised:
        await client.reply("Hello")
    assert isinstance(raised.value.__cause__, Unavailable)


async def test_leaving_the_context_cancels_the_turn(client: AsyncFondue, gateway: Gateway) -> None:
    gateway.on_reply = gateway.until_cancelled
    async with client.reply("Hello") as reply:
        await anext(reply)
    assert await asyncio.to_thread(gateway.cancelled.wait, 30), "the server was not told"
    with pytest.raises(Cancelled):
        await reply


async def test_cancelling_while_another_task_waits_ends_its_wait(client: AsyncFondue, gateway: Gateway) -> None:
    gateway.on_reply = gateway.until_cancelled
    reply = client.reply("Hello")
    await anext(reply)
    waiting = asyncio.create_task(reply.wait())
    await asyncio.sleep(0)
    reply.cancel()
    with pytest.raises(Cancelled):
        await waiting


async def test_a_task_that_is_cancelled_cancels_its_turn(client: AsyncFondue, gateway: Gateway) -> None:
    gateway.on_reply = gateway.until_cancelled
    reply = client.reply("Hello")
    await anext(reply)
    waiting = asyncio.create_task(reply.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await asyncio.to_thread(gateway.cancelled.wait, 30), "the server was not told"


async def test_history_is_undone_reset_and_branched(client: AsyncFondue) -> None:
    async with client.converse(history=[Exchange(["a"], "b")]) as talk:
        first, second = talk.say("one"), talk.say("two")
        assert await talk.undo() == (0, 1)
        assert (await second).text == "two [0, 1]"
        assert (await first).text == "one [0]"
        assert await talk.reset() == ()
        assert await talk.branch(first.number) == (0, 1)
        with pytest.raises(InvalidRequest):
            await talk.undo(3)
        with pytest.raises(Busy):
            await talk.say("refuse")
        assert (await talk.say("three")).text == "three [0, 1]"


async def test_cancelling_ends_the_running_turn_and_keeps_it(client: AsyncFondue) -> None:
    async with client.converse() as talk:
        async with talk.say("wait") as running:
            await anext(running)
        assert (await running).reason is FinishReason.CANCELLED
        other = talk.say("wait")
        await anext(other)
        talk.cancel()
        assert (await other).reason is FinishReason.CANCELLED
        assert (await talk.say("three")).text == "three [1, 2]"


async def test_a_conversation_that_ends_early_breaks_what_is_open(client: AsyncFondue, gateway: Gateway) -> None:
    def short(requests, context):
        next(requests), next(requests), next(requests)
        yield started(1)

    gateway.on_converse = short
    talk = client.converse()
    turn = talk.say("one")
    with pytest.raises(BrokenStream):
        await talk.reset()
    with pytest.raises(BrokenStream):
        await turn
    with pytest.raises(Unavailable):
        talk.say("two")
    await talk.close()


async def test_leaving_a_conversation_cancels_what_runs(client: AsyncFondue, gateway: Gateway) -> None:
    def hang(requests, context):
        context.add_callback(gateway.cancelled.set)
        yield started(1)
        gateway.cancelled.wait()

    gateway.on_converse = hang
    async with client.converse() as talk:
        turn = talk.say("one")
        await anext(turn)
    assert await asyncio.to_thread(gateway.cancelled.wait, 30), "the server was not told"
    with pytest.raises(Cancelled):
        await turn


async def test_closing_lets_the_turns_that_were_sent_finish(client: AsyncFondue, gateway: Gateway) -> None:
    def last(requests, context):
        for request in requests:
            pass
        yield done("one", 1)

    gateway.on_converse = last
    talk = client.converse()
    turn = talk.say("one")
    await talk.close()
    assert (await turn).text == "one"
