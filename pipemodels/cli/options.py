"""The options that several commands share, and the parsing of times."""

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
_TIME_SYNTAX = "24h, 7d, a date, or an instant with its offset, e.g. 2026-11-22T06:04:09Z"

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="local|local:DIR|aws|URL",
        rich_help_panel=_PANEL,
        help="The store to use: local (embedded, in .pipemodels/), local:DIR, aws, or an endpoint URL. "
        "Default: PIPEMODELS_STORE, then the endpoint that is configured for AWS, then local.",
    ),
]
PrefixOption = Annotated[
    str | None,
    typer.Option(
        "--prefix",
        metavar="TEXT",
        rich_help_panel=_PANEL,
        help="Prefix of the table names. Default: PIPEMODELS_TABLE_PREFIX.",
    ),
]
TimezoneOption = Annotated[
    str | None,
    typer.Option(
        "--tz",
        metavar="ZONE",
        rich_help_panel=_PANEL,
        help="Show times in this time zone, e.g. Europe/Berlin. Default: PIPEMODELS_TIMEZONE, then UTC.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", rich_help_panel=_PANEL, help="Print the result as one JSON document.")
]

VerboseOption = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        show_default=False,
        rich_help_panel=_PANEL,
        help="Log to standard error which store is used and which requests are repeated; -vv logs each step.",
    ),
]


@dataclass(frozen=True)
class Options:
    """The values of the options that every command takes; None, False or 0 if an option is not given."""

    store: str | None = None
    prefix: str | None = None
    tz: str | None = None
    json: bool = False
    verbose: int = 0

    def over(self, outer: Options) -> Options:
        """Return these options; those that are not given are taken from `outer`, further left on the command line."""
        return replace(outer, **{field.name: value for field in fields(self) if (value := getattr(self, field.name))})

    @cached_property
    def environ(self) -> Mapping[str, str]:
        """The environment variables, overridden by the options; empty variables count as not set.

        Raises:
            typer.BadParameter: the time zone is unknown.
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
    """A point in time as the user typed it: an age, a date, or an instant."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the text of a point in time.

        Raises:
            typer.BadParameter: the text is not an age, a date or an instant.
        """
        moment = cls(text.strip())
        try:
            moment.at(ZoneInfo("UTC"))
        except (ValueError, OverflowError):
            raise typer.BadParameter(f"{text!r} is not a valid time: write {_TIME_SYNTAX}") from None
        return moment

    def __str__(self) -> str:
        return self.text

    def at(self, zone: ZoneInfo) -> datetime:
        """Return the instant; for a date, the start of that day in the zone."""
        if ago := _AGO.fullmatch(self.text):
            return shifted(utc_now(), -timedelta(**{_UNITS[ago[2]]: int(ago[1])}).total_seconds())
        if _DATE.fullmatch(self.text):
            return start_of_day(date.fromisoformat(self.text), zone)
        return parse_instant(self.text)


def moment_at(moment: Moment | None, zone: ZoneInfo) -> datetime | None:
    """Return the instant of a moment, or None if there is none."""
    return None if moment is None else moment.at(zone)


SinceOption = Annotated[
    Moment | None,
    typer.Option(
        "--since", metavar="24h|7d|INSTANT", parser=Moment.parse, help="Only runs that started at this time or later."
    ),
]
UntilOption = Annotated[
    Moment | None,
    typer.Option(
        "--until", metavar="24h|7d|INSTANT", parser=Moment.parse, help="Only runs that started before this time."
    ),
]
CursorOption = Annotated[
    str | None,
    typer.Option("--cursor", metavar="TEXT", help="Show the next page: the cursor that the previous page printed."),
]


def _name(text: str | None) -> str | None:
    if text is not None and (reason := id_problem(text)):
        raise typer.BadParameter(f"{text!r} {reason}")
    return text


ByOption = Annotated[
    str | None,
    typer.Option(
        "--by",
        metavar="NAME",
        callback=_name,
        help="Record this name as the author of the changes. Default: your user name.",
    ),
]


def author(by: str | None) -> str | None:
    """Return the name to record as the author of changes, or None if it is unknown."""
    if by is not None:
        return by
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user may have no name
        return None


class WrongUsage(typer.BadParameter):
    """Wrong usage that no single option explains; shown without the name of a parameter."""

    def format_message(self) -> str:
        """Return the message alone."""
        return self.message


def usage(error: ValidationError, **options: str) -> Exception:
    """Return the error as a usage error of the option that gave the bad value, if an option did; else the error."""
    problem = error.problems[0]
    hint: Any = options.get(problem.field)
    return typer.BadParameter(f"{problem.value!r} {problem.reason}", param_hint=hint) if hint else error
