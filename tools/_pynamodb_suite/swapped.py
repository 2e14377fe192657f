"""A pytest plugin: test modules that import `pynamodb.models.Model` get our base, as if swapped by hand.

Settings that a model cannot make are deleted, as the error tells a user to do.
"""

from collections.abc import Iterator
from typing import Any

import pynamodb.models
import pytest

from pipemodels import DynamoDBConfig, configure
from pipemodels.models.base import Model
from pipemodels.models.meta import REFUSED

_Base: Any = type(Model)


class _AsTold(_Base):  # type: ignore[misc]  # the metaclass of the models
    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **more: Any) -> None:
        meta = namespace.get("Meta")
        for setting in REFUSED.keys() & vars(meta).keys() if meta else ():
            delattr(meta, setting)
        super().__init__(name, bases, namespace, **more)


class Swapped(Model, metaclass=_AsTold):
    """The base that the tests find."""


configure(DynamoDBConfig(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Swap the base while test modules are imported; PynamoDB's own module, which calls it by name, keeps its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pynamodb.models, "Model", Swapped)
        return (yield)
