"""From what callers give to the contract's requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .history import Answer, History
from .options import Compat, Condition, Options, Value
from .pictures import Part, picture
from .wire import dialogue_pb2 as wire

_FIT = {None: 0, "crop": wire.IMAGE_FIT_CROP, "squash": wire.IMAGE_FIT_SQUASH}
_COMPAT = {None: 0, "off": wire.COMPAT_OFF, "reference": wire.COMPAT_REFERENCE}


def _chosen(table: Mapping[Any, Any], name: str, value: object) -> Any:
    if value not in table:
        raise ValueError(f"{name} is one of {', '.join(repr(key) for key in table if key)}, not {value!r}")
    return table[value]


def parts(said: Iterable[Part]) -> list[wire.Part]:
    """Texts and pictures. Raises `TypeError` for what is neither, `OSError` for files that cannot be read."""
    return [_part(part) for part in said]


def _part(part: Part) -> wire.Part:
    if isinstance(part, str):
        return wire.Part(text=part)
    shown = picture(part)
    fit = _chosen(_FIT, "fit", shown.fit)
    return wire.Part(image=wire.Image(data=shown.data, url=shown.url, fit=fit))


def options(given: Options) -> wire.TurnOptions:
    """Options of a turn. Raises `TypeError` for a name that there is none of, or a value of a wrong type."""
    unknown = given.keys() - Options.__annotations__.keys()
    if unknown:
        raise TypeError(f"there is no option {', '.join(sorted(unknown))}")
    fields: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if "compat" in fields:
        fields["compat"] = _chosen(_COMPAT, "compat", fields["compat"])
    if "conditions" in fields:
        fields["conditions"] = conditions(fields["conditions"])
    if isinstance(fields.get("stop"), str):
        fields["stop"] = [fields["stop"]]
    return wire.TurnOptions(**fields)


def conditions(given: Iterable[Condition]) -> list[wire.Condition]:
    """Tests of what is found."""
    return [_condition(each) for each in given]


def _condition(given: Condition) -> wire.Condition:
    condition = wire.Condition(field=given.field, negate=given.negate)
    if given.equals is not None:
        condition.equals.CopyFrom(_value(given.equals))
    elif given.any_of is not None:
        condition.any_of.CopyFrom(wire.Values(values=[_value(each) for each in given.any_of]))
    else:
        condition.range.CopyFrom(
            wire.Range(
                at_least=given.at_least, above=given.above, at_most=given.at_most, below=given.below
            )
        )
    return condition


def _value(value: Value) -> wire.Value:
    if isinstance(value, bool):
        return wire.Value(truth=value)
    return wire.Value(text=value) if isinstance(value, str) else wire.Value(number=value)


def history(turns: History) -> list[wire.Exchange]:
    """Turns that were held before."""
    exchanges = [turn.exchange if isinstance(turn, Answer) else turn for turn in turns]
    return [
        wire.Exchange(parts=parts(each.parts), reply=each.reply, image_ids=each.image_ids)
        for each in exchanges
    ]


def turn(said: Iterable[Part], given: Options) -> wire.Turn:
    """What the user says in one turn."""
    return wire.Turn(parts=parts(said), options=options(given))


def reply(said: Iterable[Part], before: History, given: Options) -> wire.ReplyRequest:
    """One turn with its history."""
    return wire.ReplyRequest(turn=turn(said, given), history=history(before))


def opening(before: History, defaults: Options) -> wire.ConverseRequest:
    """Settings of a conversation."""
    # A generation of the first index is the conversation's, which keeps it from being collected meanwhile.
    generation = ""
    if "index" not in defaults:
        defaults = defaults.copy()
        generation = defaults.pop("generation", "")
    settings = wire.OpenDialogue(defaults=options(defaults), history=history(before), generation=generation)
    return wire.ConverseRequest(open=settings)


def retrieve(
    said: Iterable[Part],
    *,
    k: int | None,
    excluded_ids: Sequence[str],
    generation: str,
    include_data: bool,
    compat: Compat | None,
    cache_key: str,
    conditions: Sequence[Condition],
    index: str,
) -> wire.RetrieveRequest:
    """Asks for pictures for a prompt."""
    return wire.RetrieveRequest(
        parts=parts(said),
        k=k,
        excluded_ids=excluded_ids,
        generation=generation,
        include_data=include_data,
        compat=_chosen(_COMPAT, "compat", compat),
        cache_key=cache_key,
        conditions=[_condition(each) for each in conditions],
        index=index,
    )


def score(
    said: Iterable[Part],
    candidates: Sequence[str],
    *,
    with_prompt: bool,
    compat: Compat | None,
    cache_key: str,
) -> wire.ScoreRequest:
    """Asks for the likelihood of continuations."""
    return wire.ScoreRequest(
        parts=parts(said),
        candidates=candidates,
        with_prompt=with_prompt,
        compat=_chosen(_COMPAT, "compat", compat),
        cache_key=cache_key,
    )
