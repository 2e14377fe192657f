"""Show the times of an item in another time zone."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from pipemodels.checks import timezone_problem
from pipemodels.errors import Problem, ValidationError
from pipemodels.instants import in_zone, utc_instant
from pipemodels.models.base import Model
from pipemodels.records import Record


def in_timezone(item: Any, timezone: str | tzinfo) -> Any:
    """Return a read-only view of an item with its times in a time zone, or the converted copy of a datetime.

    The item and its stored form stay in UTC. A time stays in UTC if its local time would fall outside the years 1 to
    9999.

    Raises:
        ValidationError: the time zone is unknown.
    """
    if isinstance(timezone, str):
        if reason := timezone_problem(timezone):
            raise ValidationError.of("timezone", timezone, reason)
        timezone = ZoneInfo(timezone)
    return _shown(item, timezone)


def _shown(value: Any, zone: tzinfo) -> Any:
    if isinstance(value, datetime):
        return in_zone(utc_instant(value, "item"), zone)
    if isinstance(value, list):
        return [_shown(item, zone) for item in value]
    if isinstance(value, Model | Record):
        return InTimezone(value, zone)
    return value


class InTimezone:
    """A read-only view of an item that returns its times in a time zone."""

    def __init__(self, item: Model | Record, zone: tzinfo) -> None:
        object.__setattr__(self, "_item", item)
        object.__setattr__(self, "_zone", zone)

    def __getattr__(self, name: str) -> Any:
        if name in {"_item", "_zone"} or name.startswith("__"):  # copy and pickle look these up before `_item` is set
            raise AttributeError(name)
        return _shown(getattr(self._item, name), self._zone)

    def __setattr__(self, name: str, value: object) -> None:
        raise ValidationError([Problem(name, value, "cannot be set on a view in a time zone: set it on the item")])
