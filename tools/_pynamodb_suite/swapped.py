"""A pytest plugin: test modules that import `pynamodb.models.Model` get our base instead.

It deletes the `Meta` settings that a model cannot have, as the error message tells a user to do.
"""

from collections.abc import Iterator
from typing import Any

import pynamodb.models
import pytest

from pipemodels import DynamoDBConfig, configure
from pipemodels.models.base import Model
from pipemodels.models.meta import REFUSED

_Base: Any = type(Model)


class _DeletesSettings(_Base):  # type: ignore[misc]  # the metaclass of the models
    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **more: Any) -> None:
        meta = namespace.get("Meta")
        for setting in REFUSED.keys() & vars(meta).keys() if meta else ():
            delattr(meta, setting)
        super().__init__(name, bases, namespace, **more)


class Swapped(Model, metaclass=_DeletesSettings):
    """The base that the tests find."""


configure(DynamoDBConfig(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Replace the base while test modules are imported; PynamoDB's own modules keep theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pynamodb.models, "Model", Swapped)
        return (yield)
