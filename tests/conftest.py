"""Back ends and Hypothesis profiles: `pytest --backend moto --backend localstack`, `--hypothesis-profile nightly`."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from pipemodels.lifecycle import slots as _slots
from pipemodels.transport import fallbacks
from tests.helpers import backends
from tests.helpers.backends import Backend
from tests.helpers.differences import expected_failures
from tests.helpers.lean import collect_garbage_rarely, trace_no_moto
from tests.helpers.time_limits import TimeLimits, give_long_tests_more

# a shell's background job ignores Ctrl-C, `nohup` a hang-up, and so would the processes in which the tests try them
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# keys are fresh in each example, so that a fixture may serve them all; speed is the back end's
_RELAXED: dict[str, Any] = {
    "deadline": None,
    # without `explain`, which traces every line of every example: it more than doubles the time
    "phases": [phase for phase in Phase if phase is not Phase.explain],
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
}
settings.register_profile("dev", max_examples=100, print_blob=True, **_RELAXED)
settings.register_profile("ci", max_examples=100, derandomize=True, print_blob=True, **_RELAXED)
settings.register_profile("brief", max_examples=20, derandomize=True, print_blob=True, **_RELAXED)
settings.register_profile("nightly", max_examples=2000, print_blob=True, **_RELAXED)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--backend`."""
    parser.addoption(
        "--backend",
        action="append",
        metavar="NAME|URL",
        help="moto, embedded, localstack (at $PIPEMODELS_LOCALSTACK_ENDPOINT, or 127.0.0.1:4566) or a URL; "
        "may be repeated; default: moto and embedded",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to start where a back end that was asked for is absent: a skip would look like a success."""
    config.addinivalue_line("markers", "differs(name): must fail where tests/helpers/differences.py says so")
    config.addinivalue_line("markers", "falls_back: provokes faults of the fast way, and sees the ordinary way taken")
    config.addinivalue_line("markers", "backends(*names): runs on these only, of those that were asked for")
    config.addinivalue_line(
        "markers", "long: takes minutes, and so is begun first where several processes share the tests"
    )
    config.addinivalue_line("markers", "nowhere: set here on tests that run on none of the back ends")
    config.pluginmanager.register(TimeLimits())
    collect_garbage_rarely()
    if config.pluginmanager.hasplugin("_cov"):
        trace_no_moto()
    for name in config.getoption("--backend") or ():
        if reason := backends.absent(name):
            raise pytest.UsageError(reason)


@pytest.fixture(autouse=True)
def _no_faults_of_the_wire(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in which the fast way met a fault and the ordinary way none, unless it is marked `falls_back`."""
    fallbacks.counted.clear()
    yield
    if request.node.get_closest_marker("falls_back") is None:
        faults = {key: times for key, times in fallbacks.counted.items() if key[-1] != fallbacks.DECLINED}
        assert not faults, f"the fast way of {faults} fails; what it does not take it has to decline"


@pytest.fixture
def counted_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock of lease tokens, so that they are 1, 2, 3."""
    monkeypatch.setattr(_slots, "time_ns", lambda: 0)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what takes the `backend` fixture once on each back end."""
    if "backend" not in metafunc.fixturenames:
        return
    names = list(dict.fromkeys(metafunc.config.getoption("--backend") or backends.DEFAULT))
    differences = [mark.args[0] for mark in metafunc.definition.iter_markers("differs")]
    for mark in metafunc.definition.iter_markers("backends"):
        names = [name for name in names if name in mark.args or name not in ("moto", "embedded", "localstack")]
    if not names:
        metafunc.parametrize(
            "backend", [pytest.param(None, marks=pytest.mark.nowhere)], indirect=True, scope="session"
        )
        return
    parameters = [
        pytest.param(name, marks=[mark for one in differences for mark in expected_failures(one, name)], id=name)
        for name in names
    ]
    metafunc.parametrize("backend", parameters, indirect=True, scope="session")


@pytest.hookimpl(trylast=True)  # after pytest itself has put together what shares a back end
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what runs on none of the back ends that were asked for; begin with what takes longest."""
    nowhere = [item for item in items if item.get_closest_marker("nowhere")]
    if nowhere:
        config.hook.pytest_deselected(items=nowhere)
        items[:] = [item for item in items if item not in nowhere]
    if config.pluginmanager.hasplugin("_cov"):
        for item in items:
            if _covers_nothing_new(item):
                item.add_marker("no_cover")
    give_long_tests_more(config, items)
    if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 0)):
        items[:] = _long_first(items, workers)


def _long_first(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Return the tests with a long one at the head of each worker's share, which are equal parts of them."""
    long = [item for item in items if item.get_closest_marker("long")]
    spread = [item for item in items if item not in long]
    for number, item in enumerate(long):
        spread.insert(number % workers * len(items) // workers, item)
    return spread


def _covers_nothing_new(item: pytest.Item) -> bool:
    """Say whether a test runs lines that others run too: measuring it would take long and tell nothing."""
    backend = getattr(item, "callspec", None) and item.callspec.params.get("backend")  # type: ignore[attr-defined]
    return backend not in {None, "moto"} or "property" in item.path.parts


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """Yield a back end with this session's tables."""
    with backends.started(request.param, tmp_path_factory.mktemp("store")) as one:
        yield one


@pytest.fixture(scope="module")
def module_backend(backend: Backend) -> Iterator[Backend]:
    """Yield the back end, with tables of this module's own where what others have stored makes it slow: on moto."""
    if backend.name != "moto":
        yield backend
        return
    with backend.fresh_tables() as config:
        yield replace(backend, config=config)


@pytest.fixture
def store(module_backend: Backend) -> Iterator[Backend]:
    """Yield a back end in force: the package speaks to it."""
    with module_backend.active():
        yield module_backend
