"""For all tests of the wire: what comes twice comes often."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipemodels.wire import often


@pytest.fixture(autouse=True, scope="package")
def _compiled_at_once() -> Iterator[None]:
    """Compile a function for each set of names when it comes for the first time, and use it from then on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(often, "OFTEN", 1)
        patch.setattr(often, "MOST", 10**6)
        yield
