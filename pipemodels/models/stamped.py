"""The base class of the package's own models: who wrote an item, when, and in which write."""

from __future__ import annotations

from typing import Any

from pipemodels.attributes.base import CheckedAttribute
from pipemodels.attributes.documents import DocumentAttribute, ValueAttribute
from pipemodels.attributes.lists import DocumentListAttribute, RecordListAttribute, TextListAttribute
from pipemodels.attributes.scalars import IdAttribute, RevisionAttribute
from pipemodels.attributes.times import UTCInstantAttribute
from pipemodels.documents import decode
from pipemodels.instants import utc_now
from pipemodels.models.base import Model
from pipemodels.records import Record, record_fields

_PLAIN = (DocumentAttribute, DocumentListAttribute, TextListAttribute, ValueAttribute)  # hold plain values


class StampedModel(Model):
    """A model with the attributes that every item of this package has.

    `write_id` is a random id that each command sets, and each `save()` of a new object. It tells a command whose
    reply was lost whether its write was done, and an item from another that was created later with the same key.
    """

    WRITE_ID = "write_id"

    revision = RevisionAttribute()
    created_at = UTCInstantAttribute(default_for_new=utc_now)
    updated_at = UTCInstantAttribute(default_for_new=utc_now)
    created_by = IdAttribute(null=True)
    updated_by = IdAttribute(null=True)
    write_id = IdAttribute(null=True)


def stored_fields(item: Model) -> dict[str, Any]:
    """Return an item's fields by stored name as plain values: instants as stored text, numbers exact.

    Includes stored values that break a rule for new values. Leaves out `write_id`, which is random.
    """
    fields = {}
    for name, attribute in item.get_attributes().items():
        value = item._read(name)
        if value is not None and name != "write_id":
            fields[attribute.attr_name] = _plain(attribute, value)
    return fields


def _plain(attribute: Any, value: Any) -> Any:
    """Return the plain value of an attribute's value, without checking it again."""
    if isinstance(attribute, RecordListAttribute):
        return [_plain_record(record) for record in value]
    if isinstance(attribute, _PLAIN):
        return value
    if isinstance(attribute, CheckedAttribute):
        return decode({attribute.attr_type: attribute.encode(value)})
    return decode({attribute.attr_type: attribute.serialize(value)})


def _plain_record(record: Record) -> dict[str, Any]:
    fields = record_fields(type(record)).items()
    return {name: _plain(field, value) for name, field in fields if (value := getattr(record, name)) is not None}
