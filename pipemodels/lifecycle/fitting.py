"""Fitting the end of a run into its item of 400 KB: texts are shortened, and fields that it can spare are dropped."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pipemodels.checks import MAX_ITEM_BYTES
from pipemodels.documents import item_bytes
from pipemodels.errors import ItemTooLargeError, Problem, ValidationError
from pipemodels.lifecycle.error_texts import SHORTENED, byte_count, end_within, is_end_of, is_start_of, start_within
from pipemodels.models.base import new_write_id
from pipemodels.models.run import PipelineRunLog, RunStatus

SPARED: dict[str, None] = dict.fromkeys(
    ("owner", "lease_token", "lease_seconds", "heartbeat_at", "current_stage", "start_epoch")
)
"""The fields that an ended run does not need. Those of a lease take more bytes than the shortest end adds."""

_DURATION: dict[str, None] = {"duration_seconds": None}  # two other fields give it
_FEWEST_DIGITS = 8  # of a write_id: enough to distinguish the writes to one run
_LEAST_BYTES = byte_count(SHORTENED) + 1
_WORTH_BYTES = 200  # a shorter text tells less than the fields that could be dropped for it
_CUTS: Mapping[str, tuple[Callable[[str, int], str], Callable[[str, str], bool]]] = {
    "error_message": (start_within, is_start_of),
    "error_stack_trace": (end_within, is_end_of),
}
"""The texts of an end, in the order in which they get room; how to shorten each, and to recognise it shortened."""


def stored_bytes(run: PipelineRunLog) -> int:
    """Return the number of bytes that the fields of a run take in its item."""
    return item_bytes(
        {
            attribute.attr_name: {attribute.attr_type: attribute.serialize(value)}
            for name, attribute in run.get_attributes().items()
            if (value := run.attribute_values.get(name)) is not None
        }
    )


def fitted(
    run: PipelineRunLog,
    stored: Mapping[str, dict[str, Any]],
    changes: Mapping[str, Any],
    *,
    by: str | None,
    now: datetime,
) -> PipelineRunLog:
    """Return the ended run, with the texts of its end shortened to the room in its item.

    The stack trace is shortened first, then the message; then fields that an ended run does not need are dropped.

    Args:
        run: the run as it was read.
        stored: its item as DynamoDB stores it.
        changes: the fields that the end sets.
        by: who ends it.
        now: the instant of the write.

    Raises:
        ItemTooLargeError: the item has no room for the other fields of the end.
        ValidationError: the changes break a rule.
    """
    own = {attribute.attr_name for attribute in run.get_attributes().values()}
    others = item_bytes({name: value for name, value in stored.items() if name not in own})
    for who, spared, least in ((by, {}, _WORTH_BYTES), (None, SPARED, 0), (None, SPARED | _DURATION, 0)):
        after = _without_texts(run, {**changes, **spared}, by=who, now=now)
        if spared.keys() > SPARED.keys():
            after.write_id = new_write_id()[:_FEWEST_DIGITS]
        room = MAX_ITEM_BYTES - others - stored_bytes(after)
        told = _told(changes, room, least)
        needed = changes["status"] is RunStatus.FAILED or not spared
        if room >= 0 and not (needed and changes.get("error_message") and "error_message" not in told):
            after.attribute_values.update(told)
            return after
    largest = sorted(changes, key=lambda name: -byte_count(str(changes[name])))[:3]
    raise ItemTooLargeError([Problem(name, changes[name], "has no room in the run's 400 KB") for name in largest])


def _without_texts(
    run: PipelineRunLog, changes: Mapping[str, Any], *, by: str | None, now: datetime
) -> PipelineRunLog:
    """Return the ended run, stamped, but without the texts of the end."""
    said = {name: SHORTENED for name in _CUTS if changes.get(name)}
    after = copy.copy(run)
    after.attribute_values = {**run.attribute_values, **changes, **said, "holds_slot": None}
    if problems := after.rule_problems():
        raise ValidationError(problems)
    after.derive()
    absent = {name: None for name, value in changes.items() if value is None}  # also if it was derived
    after.attribute_values.update({**dict.fromkeys(said), **absent})
    # as `slots.update_run` will stamp it
    after.revision, after.write_id, after.updated_at = (run.revision or 0) + 1, new_write_id(), now
    if by is not None:
        after.updated_by = by
    return after


def _told(changes: Mapping[str, Any], room: int, least: int) -> dict[str, str]:
    """Return the texts of an end, shortened to the room; a text that would keep too few bytes is left out."""
    told: dict[str, str] = {}
    for name, (shorten, _) in _CUTS.items():
        text = changes.get(name)
        if text and room - len(name) >= min(_least_of(name, least), byte_count(text)):
            told[name] = shorten(text, room - len(name))
            room -= len(name) + byte_count(told[name])
    return told


def _least_of(name: str, least: int) -> int:
    return max(_LEAST_BYTES, least if name == "error_message" else _WORTH_BYTES)


def is_told_shortened(name: str, text: Any, run: PipelineRunLog) -> bool:
    """Return whether an ended run holds this text as far as its item had room for it."""
    if name not in _CUTS or not isinstance(text, str):
        return False
    there = getattr(run, name)
    if there is not None:
        return _CUTS[name][1](there, text)
    room = MAX_ITEM_BYTES - stored_bytes(run) - len(name)
    return room < min(_WORTH_BYTES, byte_count(text))
