"""The options that every command takes, and the words in which times are given."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

import typer

from pipemodels.checks import id_problem, is_timezone
from pipemodels.errors import ValidationError
from pipemodels.instants import parse_instant, shifted, start_of_day, utc_now

_PANEL = "Options of every command"
_UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO = re.compile(r"([0-9]{1,5}) ?(s|m|min|h|d|w)")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT_FORMS = "24h, 7d, a date, or an instant with its offset, e.g. 2026-11-22T06:04:09Z"

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="local|local:DIR|aws|URL",
        rich_help_panel=_PANEL,
        help="Where the tables are: embedded in .pipemodels/ or in DIR, at AWS, or at an endpoint. "
        "Without it: PIPEMODELS_STORE, then the endpoint that is configured for AWS, then local.",
    ),
]
PrefixOption = Annotated[
    str | None,
    typer.Option(
        "--prefix",
        metavar="TEXT",
        rich_help_panel=_PANEL,
        help="Begins every table's name; without it: PIPEMODELS_TABLE_PREFIX.",
    ),
]
TimezoneOption = Annotated[
    str | None,
    typer.Option(
        "--tz",
        metavar="ZONE",
        rich_help_panel=_PANEL,
        help="Show times in this zone, e.g. Europe/Berlin; without it: PIPEMODELS_TIMEZONE, then UTC.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", rich_help_panel=_PANEL, help="Print one JSON document and nothing else.")
]

VerboseOption = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        rich_help_panel=_PANEL,
        help="Say on standard error what is done: which store is used, what is repeated; twice: each step.",
    ),
]


@dataclass(frozen=True)
class Options:
    """What the options of every command say; None, or 0, where nothing is said."""

    store: str | None = None
    prefix: str | None = None
    tz: str | None = None
    json: bool = False
    verbose: int = 0

    def over(self, outer: Options) -> Options:
        """Return these, with what they leave open taken from options further left on the line."""
        return replace(outer, **{field.name: value for field in fields(self) if (value := getattr(self, field.name))})

    @cached_property
    def environ(self) -> Mapping[str, str]:
        """The environment as the options change it; empty variables count as absent.

        Raises:
            typer.BadParameter: there is no such time zone.
        """
        given = {"PIPEMODELS_TABLE_PREFIX": self.prefix, "PIPEMODELS_TIMEZONE": self.tz}
        environ = {**os.environ, **{name: text for name, text in given.items() if text is not None}}
        zone = environ.get("PIPEMODELS_TIMEZONE")
        if zone and not is_timezone(zone):
            source = "--tz" if self.tz else "PIPEMODELS_TIMEZONE"
            raise typer.BadParameter(f"{zone!r} is not an IANA time zone name, e.g. Europe/Berlin", param_hint=source)
        return {name: text for name, text in environ.items() if text}


@dataclass(frozen=True)
class Moment:
    """A point in time as it was typed: an age, a date, or an instant."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what was typed.

        Raises:
            typer.BadParameter: it is none of the forms.
        """
        moment = cls(text.strip())
        try:
            moment.at(ZoneInfo("UTC"))
        except (ValueError, OverflowError):
            raise typer.BadParameter(f"{text!r} is none of: {_INSTANT_FORMS}") from None
        return moment

    def __str__(self) -> str:
        return self.text

    def at(self, zone: ZoneInfo) -> datetime:
        """Return the instant; a date is its first moment in the zone."""
        if ago := _AGO.fullmatch(self.text):
            return shifted(utc_now(), -timedelta(**{_UNITS[ago[2]]: int(ago[1])}).total_seconds())
        if _DATE.fullmatch(self.text):
            return start_of_day(date.fromisoformat(self.text), zone)
        return parse_instant(self.text)


def moment_at(moment: Moment | None, zone: ZoneInfo) -> datetime | None:
    """Return the instant that was given, if one was."""
    return None if moment is None else moment.at(zone)


SinceOption = Annotated[
    Moment | None,
    typer.Option("--since", metavar="24h|7d|INSTANT", parser=Moment.parse, help="Started then or later."),
]
UntilOption = Annotated[
    Moment | None,
    typer.Option("--until", metavar="24h|7d|INSTANT", parser=Moment.parse, help="Started before then."),
]
CursorOption = Annotated[
    str | None, typer.Option("--cursor", metavar="TEXT", help="Go on where the page before ended; it says how.")
]


def _name(text: str | None) -> str | None:
    if text is not None and (reason := id_problem(text)):
        raise typer.BadParameter(f"{text!r} {reason}")
    return text


ByOption = Annotated[
    str | None,
    typer.Option(
        "--by", metavar="NAME", callback=_name, help="Who changes things; without it: the user of this machine."
    ),
]


def who(by: str | None) -> str | None:
    """Return who is to be named in what is written."""
    if by is not None:
        return by
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user without a name
        return None


class WrongUsage(typer.BadParameter):
    """A command that cannot be meant so; its message says it all."""

    def format_message(self) -> str:
        """Return the message without a parameter's name."""
        return self.message


def usage(error: ValidationError, **options: str) -> Exception:
    """Return the error of a wrong value, under the name of the option that it came from."""
    problem = error.problems[0]
    hint: Any = options.get(problem.field)
    return typer.BadParameter(f"{problem.value!r} {problem.reason}", param_hint=hint) if hint else error
