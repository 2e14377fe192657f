"""Which item a command writes, and whether its input is valid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, cast

from pipemodels.config import current_config
from pipemodels.errors import Problem, ValidationError, joined
from pipemodels.instants import utc_instant, utc_now
from pipemodels.models import unreadable
from pipemodels.models.stamped import StampedModel
from pipemodels.records import checked_values, unknown_fields
from pipemodels.storage.sending import send

STAMPS = frozenset({"created_at", "updated_at", "created_by", "updated_by", "revision", "write_id"})


@dataclass(frozen=True, slots=True)
class Target:
    """An item that a command writes: its model, its key, and its name in messages."""

    model: type[StampedModel]
    key: Mapping[str, str]
    name: str

    def checked(self) -> Target:
        """Return this target if its key is valid.

        Raises:
            ValidationError: a key value is not a valid id.
        """
        check_values(self.model, self.key)
        return self

    def request(self, **settings: Any) -> dict[str, Any]:
        """Return the parameters of a request for this item."""
        hash_key, *rest = self.key.values()
        connection = self.model._get_connection()
        return connection.get_operation_kwargs(hash_key, range_key=rest[0] if rest else None, **settings)

    def send(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request for this item, with retries; translate errors, with this item's name in the message."""
        table, decode = self.model.Meta.table_name, partial(unreadable.read_item, self.model)
        return send(operation, request, subject=self.name, table=table, decode=decode)


def all_checked(*checks: Callable[[], Any]) -> list[Any]:
    """Return the results of the checks; report the problems of all checks together.

    Raises:
        ValidationError: a check failed; with every problem, in the order of the checks.
    """
    results, errors = [], []
    for check in checks:
        try:
            results.append(check())
        except ValidationError as error:
            errors.append(error)
    if errors:
        problems = (problem for error in errors for problem in error.problems)
        raise errors[0] if len(errors) == 1 else joined(problems, errors)
    return results


def check_values(model: type[StampedModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values, each normalised by its attribute; report all problems together."""
    return checked_values(model.get_attributes(), values)


def check_changes(model: type[StampedModel], changes: Mapping[str, Any], key: Mapping[str, str]) -> dict[str, Any]:
    """Return the normalised changes of an update.

    Raises:
        ValidationError: there are no changes, a field is unknown or may not change, or a value cannot be stored.
    """
    if not isinstance(changes, Mapping) or not changes:
        raise ValidationError.of("changes", changes, "must name at least one field and its new value")
    protected = STAMPS | set(key) | model.DERIVED
    known = [name for name in model.get_attributes() if name not in protected]
    problems = [
        Problem(str(name), value, "may not be changed") for name, value in changes.items() if name in protected
    ]
    problems += unknown_fields({name: value for name, value in changes.items() if name not in protected}, known)
    try:
        checked = check_values(model, {name: value for name, value in changes.items() if name in known})
    except ValidationError as error:
        raise joined([*problems, *error.problems], [error]) from None
    if problems:
        raise ValidationError(problems)
    return checked


def check_by(model: type[StampedModel], by: str | None) -> str | None:
    """Return the name of the writer if it is valid.

    Raises:
        ValidationError: it is not a valid id.
    """
    return cast("str | None", check_values(model, {"updated_by": by})["updated_by"])


def stamp(now: datetime | None) -> Any:
    """Return the time of a write: `now` in UTC, or the current time if it is None."""
    return utc_now() if now is None else utc_instant(now, "now")


def with_environment(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields with the configured default environment, unless they have one."""
    default = current_config().environment
    return {"environment": default, **fields} if default is not None else fields
