"""Attributes that PynamoDB lacks: UTC instants, enums, exact numbers, documents, checked text, records.

Each attribute checks and normalises a value on assignment and in comparisons, key conditions and updates. So an
object holds the same values that storage returns, and a value that DynamoDB would reject is never sent.
"""

from pipemodels.attributes.base import CheckedAttribute
from pipemodels.attributes.documents import DocumentAttribute, TextMapAttribute, ValueAttribute
from pipemodels.attributes.lists import DocumentListAttribute, RecordListAttribute, TextListAttribute
from pipemodels.attributes.scalars import (
    DecimalAttribute,
    EnumAttribute,
    FlagAttribute,
    IdAttribute,
    IntegerAttribute,
    RevisionAttribute,
    ScheduleAttribute,
    SemVerAttribute,
    TextAttribute,
    TimezoneAttribute,
)
from pipemodels.attributes.times import ExpiryAttribute, UTCInstantAttribute

__all__ = [
    "CheckedAttribute",
    "DecimalAttribute",
    "DocumentAttribute",
    "DocumentListAttribute",
    "EnumAttribute",
    "ExpiryAttribute",
    "FlagAttribute",
    "IdAttribute",
    "IntegerAttribute",
    "RecordListAttribute",
    "RevisionAttribute",
    "ScheduleAttribute",
    "SemVerAttribute",
    "TextAttribute",
    "TextListAttribute",
    "TextMapAttribute",
    "TimezoneAttribute",
    "UTCInstantAttribute",
    "ValueAttribute",
]
