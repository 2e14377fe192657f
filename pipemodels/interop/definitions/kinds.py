"""The fields that definitions of pipelines and tables may set, and their comparison with stored items."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipemodels.attributes.times import UTCInstantAttribute
from pipemodels.commands.pipelines import pipeline_target, update_pipeline
from pipemodels.commands.tables import table_target, update_table
from pipemodels.errors import Problem, ValidationError, joined
from pipemodels.instants import parse_instant
from pipemodels.interop.reports import FieldChange
from pipemodels.models.pipeline import PipelineConfig
from pipemodels.models.stamped import StampedModel
from pipemodels.models.table import TableConfig
from pipemodels.records import unknown_fields
from pipemodels.storage import targets, writes


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of item that definitions describe."""

    model: type[StampedModel]
    key: str
    target: Callable[[str], targets.Target]
    update: Callable[..., Any]
    left_alone: frozenset[str]
    """Fields that keep their values if a definition does not name them."""

    @property
    def fields(self) -> list[str]:
        """Return the fields that a definition may set."""
        taken = targets.STAMPS | self.model.DERIVED
        return [name for name in self.model.get_attributes() if name not in taken]

    def given(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a definition with instants parsed, and without nulls for fields that have a default.

        Raises:
            ValidationError: a text is not a valid instant, for example because it has no UTC offset.
        """
        attributes = self.model.get_attributes()
        said: dict[str, Any] = {}
        problems: list[Problem] = []
        causes: list[ValidationError] = []
        for name, value in values.items():
            attribute = attributes.get(name)
            if value is None and attribute is not None and attribute.default_for_new is not None:
                continue
            try:
                is_text = isinstance(attribute, UTCInstantAttribute) and isinstance(value, str)
                said[name] = parse_instant(value, name) if is_text else value
            except ValidationError as error:
                problems += error.problems
                causes.append(error)
        if problems:
            raise joined(problems, causes)
        return said

    def item(self, values: Mapping[str, Any], *, by: str | None) -> Any:
        """Return the item that a definition describes, as a new item.

        Raises:
            ValidationError: with every problem of the definition.
        """
        fields, taken = self.fields, targets.STAMPS | self.model.DERIVED
        strange = {name: value for name, value in values.items() if name not in fields and name not in taken}
        problems = unknown_fields(strange, fields)
        causes: list[ValidationError] = []
        known = {name: value for name, value in values.items() if name not in strange}
        try:
            item = writes.new_item(self.model, targets.with_environment(known), by=by, now=None)
            if not problems:
                item.serialize()
                return item
        except ValidationError as error:
            problems += error.problems
            causes.append(error)
            if len(problems) == len(error.problems):
                raise
        raise joined(problems, causes)

    def differences(self, item: Any, values: Mapping[str, Any], stored: Any) -> list[FieldChange]:
        """Return the fields that must change in the stored item; `stored` is None if there is no such item."""
        changes = []
        for name in self.fields:
            if stored is not None and name in self.left_alone and name not in values:
                continue
            before, after = getattr(stored, name, None), item.attribute_values.get(name)
            attribute: Any = self.model.get_attributes()[name]
            if _encoded(attribute, before) != _encoded(attribute, after):
                changes.append(FieldChange(name, before, after))
        return changes


def _encoded(attribute: Any, value: Any) -> Any:
    """Return the stored form of a value, for comparison: in Python, True equals 1."""
    return None if value is None else attribute.encode(value)


KINDS: Mapping[str, Kind] = {
    "pipelines": Kind(
        PipelineConfig,
        "pipeline_id",
        pipeline_target,
        lambda key, **settings: update_pipeline(pipeline_id=key, **settings),
        frozenset({"is_active", "environment"}),
    ),
    "tables": Kind(
        TableConfig,
        "table_id",
        table_target,
        lambda key, **settings: update_table(table_id=key, **settings),
        frozenset({"is_active", "environment", "last_updated_data", "record_count", "size_bytes"}),
    ),
}
