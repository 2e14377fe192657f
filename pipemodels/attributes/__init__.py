"""Attributes that PynamoDB lacks: UTC instants, enums, exact numbers, free documents, checked text, records.

Each checks and normalises its value wherever one comes in: on assignment, in a comparison, a key condition, an
update. So what an object holds is what storage gives back, and nothing that DynamoDB would refuse is ever sent.
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
