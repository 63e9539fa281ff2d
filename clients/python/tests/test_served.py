"""The client against really running services, which `FONDUE_ADDRESS` names."""

from io import BytesIO
from pathlib import Path

import PIL.Image
import pytest

from fondue import (
    AsyncFondue,
    Condition,
    DeadlineExceeded,
    Done,
    FinishReason,
    Fondue,
    FoundImage,
    InvalidRequest,
    Started,
    Text,
)


def test_a_turn_brings_text_and_pictures(served: Fondue) -> None:
    reply = served.reply("Can you find a rocket?", ret_bias=6.0)
    events = list(reply)
    assert isinstance(events[0], Started) and len(events[0].trace_id) == 32
    assert isinstance(events[-1], Done)
    answer = reply.wait()
    assert "".join(event.text for event in events if isinstance(event, Text)) == answer.text
    found = [event for event in events if isinstance(event, FoundImage)]
    assert found and list(answer.images) == found
    for image in found:
        assert PIL.Image.open(BytesIO(image.data)).size == image.pil().size
        assert image.text_offset <= len(answer.text)
    assert answer.usage and answer.usage.images_found == len(found)
    assert "[RET]" in answer.transcript and "[RET]" not in answer.text


def test_a_history_is_heeded(served: Fondue) -> None:
    first = served.reply("Can you find a rocket?", ret_bias=6.0, max_images=1).wait()
    again = served.reply("Can you find a rocket?", history=[first], ret_bias=6.0, max_images=1).wait()
    assert first.usage and again.usage and again.usage.prompt_tokens > first.usage.prompt_tokens
    assert {image.id for image in first.images}.isdisjoint(image.id for image in again.images)


def test_pictures_are_read_from_wherever_they_are(served: Fondue, tmp_path: Path) -> None:
    picture = PIL.Image.new("RGB", (40, 30), "red")
    file = tmp_path / "red.png"
    picture.save(file)
    answers = [
        served.reply(part, "What is this?", max_new_tokens=4).wait()
        for part in (file, file.read_bytes(), picture)
    ]
    assert [answer.usage.images_in for answer in answers if answer.usage] == [1, 1, 1]
    assert len({answer.text for answer in answers}) == 1


def test_sampling_is_seeded_and_options_arrive(served: Fondue) -> None:
    options = {"temperature": 1.5, "seed": 7, "max_new_tokens": 3, "max_images": 0}
    one, two = (served.reply("Tell me of the sea.", **options).wait() for _ in range(2))
    assert one.text == two.text and not one.images
    assert one.usage and one.usage.generated_tokens <= 3


def test_wrong_requests_name_their_fields(served: Fondue) -> None:
    with pytest.raises(InvalidRequest) as raised:
        served.reply("Hello", max_new_tokens=-1).wait()
    assert raised.value.violations[0].field == "turn.options.max_new_tokens"
    with pytest.raises(InvalidRequest):
        served.reply(b"no picture").wait()
    with pytest.raises(InvalidRequest):
        served.score("Hello")
    with pytest.raises(InvalidRequest):
        served.retrieve("Hello", k=1000)


def test_a_turn_has_a_deadline(served: Fondue) -> None:
    with pytest.raises(DeadlineExceeded):
        served.reply("Tell me everything.", timeout_ms=1, max_new_tokens=500).wait()


def test_pictures_are_ranked_for_a_prompt(served: Fondue) -> None:
    found = served.retrieve("a red apple [RET]", k=5)
    assert len(found) == 5
    assert [image.score for image in found] == sorted((image.score for image in found), reverse=True)
    assert not found[0].data
    others = served.retrieve("a red apple [RET]", k=5, excluded_ids=[found[0].id], include_data=True)
    assert others[0].id == found[1].id and others[0].pil().width > 0


def test_conditions_narrow_what_is_found(served: Fondue) -> None:
    best, second = served.retrieve("a red apple", k=2)
    only = served.retrieve("a red apple", k=2, conditions=[Condition("id", equals=second.id)])
    assert [image.id for image in only] == [second.id]
    others = served.retrieve("a red apple", k=1, conditions=[Condition("id", equals=best.id, negate=True)])
    assert [image.id for image in others] == [second.id]


def test_continuations_are_weighed(served: Fondue) -> None:
    scores = served.score("Here is a", candidates=[" rocket", " the of and"], with_prompt=True)
    likely, unlikely = scores.candidates
    assert likely.log_likelihood / likely.tokens > unlikely.log_likelihood / unlikely.tokens
    assert scores.prompt and scores.prompt.tokens > 0


def test_a_conversation_remembers(served: Fondue) -> None:
    with served.converse(ret_bias=6.0, max_images=1) as talk:
        first, second = (talk.say("Can you find a rocket?").wait() for _ in range(2))
    assert first.usage and second.usage and second.usage.prompt_tokens > first.usage.prompt_tokens
    assert {image.id for image in first.images}.isdisjoint(image.id for image in second.images)


def test_a_running_turn_is_cancelled(served: Fondue) -> None:
    with served.converse() as talk:
        turn = talk.say("Tell me of the sea.", temperature=50.0, max_new_tokens=100, max_images=0)
        turn.cancel()
        assert turn.wait().reason is FinishReason.CANCELLED
        assert talk.say("Show me a tree.").wait().text


def test_history_is_edited(served: Fondue) -> None:
    with served.converse(max_images=1) as talk:
        first = talk.say("Can you find a rocket?").wait()
        second = talk.say("Show me a tree.").wait()
        assert talk.undo() == (1,)
        again = talk.say("Show me a tree.").wait()
        assert again.text == second.text
        assert talk.branch(second.number) == (1, 2)
        assert talk.reset() == ()
        fresh = talk.say("Can you find a rocket?").wait()
        assert fresh.text == first.text
        assert fresh.usage and first.usage
        assert fresh.usage.prompt_tokens == first.usage.prompt_tokens
        with pytest.raises(InvalidRequest):
            talk.undo(2)
        with pytest.raises(InvalidRequest):
            talk.branch(99)


async def test_the_same_for_asyncio(address: str) -> None:
    async with AsyncFondue(address, timeout=120) as client:
        answer = await client.reply("Can you find a rocket?", ret_bias=6.0)
        assert answer.text and answer.images
        assert len(await client.retrieve("a tree", k=3)) == 3
        assert (await client.score("Here is", candidates=[" a"])).candidates[0].tokens > 0
        async with client.converse() as talk:
            turn = talk.say("Show me a tree.")
            assert "".join([event.text async for event in turn if isinstance(event, Text)]) == turn.text
            running = talk.say("Tell me of the sea.", temperature=50.0, max_new_tokens=100, max_images=0)
            running.cancel()
            assert (await running).reason is FinishReason.CANCELLED


async def test_history_is_edited_from_asyncio(address: str) -> None:
    async with AsyncFondue(address) as client, client.converse() as talk:
        first = await talk.say("Show me a tree.")
        assert await talk.undo() == ()
        assert (await talk.say("Show me a tree.")).text == first.text
        assert await talk.reset() == ()
        assert await talk.branch(1) == (1,)
