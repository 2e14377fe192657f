"""Attributes of instants: RFC 3339 text in UTC, and the expiry of an item in seconds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from pynamodb.attributes import TTLAttribute
from pynamodb.constants import NUMBER, STRING

from pipemodels.attributes.base import CheckedAttribute
from pipemodels.documents import read_number
from pipemodels.errors import ValidationError
from pipemodels.instants import instant_text, microseconds_since_epoch, read_stored_instant, utc_instant, utc_now


class UTCInstantAttribute(CheckedAttribute[pendulum.DateTime]):
    """An instant, stored as RFC 3339 text of 27 characters in UTC, so that text order is time order.

    Accepts any aware datetime, and returns a `pendulum.DateTime` in UTC. Rejects naive datetimes, also in
    comparisons, key conditions and updates. Also reads the format of PynamoDB's `UTCDateTimeAttribute`.
    """

    attr_type = STRING

    def normalise(self, value: Any) -> pendulum.DateTime:
        """Return the instant in UTC."""
        return utc_instant(value, self.field)

    def encode(self, value: pendulum.DateTime) -> str:
        """Return the instant in the stored format."""
        return instant_text(value)

    def decode(self, stored: Any) -> pendulum.DateTime:
        """Parse the stored text. Accepts no other format."""
        return read_stored_instant(stored, self.field)


class ExpiryAttribute(CheckedAttribute[pendulum.DateTime], TTLAttribute):
    """The instant after which DynamoDB may delete the item (TTL), stored as seconds since 1970.

    Accepts an aware datetime, or a timedelta from now. A fraction of a second is rounded up, so that the item does
    not expire too early.
    """

    attr_type = NUMBER

    def normalise(self, value: Any) -> pendulum.DateTime:
        """Return the instant in UTC, rounded up to a whole second."""
        if isinstance(value, timedelta):
            try:
                value = utc_now() + value
            except (OverflowError, ValueError):
                raise ValidationError.of(self.field, value, "from now falls outside the years 1 to 9999") from None
        utc = utc_instant(value, self.field)
        return self._at(-(-microseconds_since_epoch(utc) // 1_000_000), value)

    def encode(self, value: pendulum.DateTime) -> str:
        """Return the whole seconds since 1970."""
        return str(microseconds_since_epoch(value) // 1_000_000)

    def decode(self, stored: Any) -> pendulum.DateTime:
        """Return the instant of the stored seconds since 1970."""
        seconds = read_number(stored)
        if not isinstance(seconds, int):
            raise ValidationError.of(self.field, stored, "is stored, but is not a whole number of seconds since 1970")
        return self._at(seconds, stored)

    def _at(self, seconds: int, given: object) -> pendulum.DateTime:
        try:
            return pendulum.DateTime(1970, 1, 1, tzinfo=pendulum.UTC) + timedelta(seconds=seconds)
        except (OverflowError, ValueError):
            raise ValidationError.of(self.field, given, "falls outside the years 1 to 9999") from None
