"""The container's life, asked of an engine of a few lines: what is touched, what is left alone, what is said."""

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from _localstack import compose, health
from _localstack.compose import LABEL, Service
from _localstack.errors import ToolError
from _localstack.health import Health
from _localstack.lifecycle import STOP_SECONDS, LocalStack
from docker.errors import APIError, NotFound

from .running import ROOT

OURS = {LABEL: "pipemodels"}
NAME = "pipemodels-localstack"


def refused(code: int, explanation: str = "no") -> APIError:
    """Return the engine's refusal."""
    response = requests.Response()
    response.status_code = code
    return APIError("x", response=response, explanation=explanation)


@dataclass
class Container:
    """A container, what fails with it, and what was done."""

    name: str = NAME
    labels: dict[str, str] = field(default_factory=lambda: OURS)
    status: str = "running"
    attrs: dict[str, Any] = field(default_factory=dict)
    fails: dict[str, APIError] = field(default_factory=dict)
    done: list[Any] = field(default_factory=list)
    ports: dict[str, Any] = field(default_factory=dict)

    def stop(self, timeout: int) -> None:
        """Note it."""
        self.done.append(("stop", timeout))

    def unpause(self) -> None:
        """Note it."""
        self.done.append("unpause")

    def remove(self, force: bool, v: bool) -> None:
        """Note it, and fail if it is to."""
        self._do("remove")

    def start(self) -> None:
        """Note it, and run if it is not to fail."""
        self._do("start")
        self.status = "running"

    def reload(self) -> None:
        """Change nothing."""

    def logs(self, tail: int) -> bytes:
        """Return two lines."""
        return b"the last\nwords\n"

    def _do(self, what: str) -> None:
        self.done.append(what)
        if what in self.fails:
            raise self.fails[what]


@dataclass
class Volume:
    """A volume, and whether it was removed."""

    name: str
    labels: dict[str, str]
    fails: APIError | None = None
    removed: bool = False

    def remove(self) -> None:
        """Note it, or fail if it is to."""
        if self.fails:
            raise self.fails
        self.removed = True


class Engine:
    """As much of Docker's client as the tool asks."""

    def __init__(
        self, *containers: Container, volumes: tuple[Volume, ...] = (), made: Container | None = None
    ) -> None:
        self._containers, self._volumes, self._made = containers, volumes, made
        self.created: dict[str, Any] = {}
        self.containers = SimpleNamespace(get=self._get, list=self._list, create=self._create)
        self.volumes = SimpleNamespace(list=self._list_volumes, create=lambda *_, **__: None)
        self.images = SimpleNamespace(get=lambda _: SimpleNamespace(id="image"))

    def _get(self, name: str) -> Container:
        for one in self._containers:
            if one.name == name:
                return one
        raise NotFound(name)

    def _list(self, filters: dict[str, str] | None = None, **_: Any) -> list[Container]:
        return [one for one in self._containers if _matches(one.labels, filters)]

    def _list_volumes(self, filters: dict[str, str]) -> list[Volume]:
        return [one for one in self._volumes if _matches(one.labels, filters)]

    def _create(self, image: str, **settings: Any) -> Container:
        assert self._made is not None
        self.created = {"image": image, **settings}
        return self._made


def _matches(labels: dict[str, str], filters: dict[str, str] | None) -> bool:
    name, _, value = (filters or {}).get("label", "").partition("=")
    return not name or labels.get(name) == value


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    """Return the project's own service; LocalStack answers."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(health, "check", lambda _: Health("", "running", "4", "community"))
    file = tmp_path / "compose.yml"  # a copy: a developer may have a `.env` beside the project's own
    file.write_text((ROOT / "docker-compose.localstack.yml").read_text())
    return replace(compose.load(file, {}), image="image:1")


def localstack(engine: Engine, service: Service) -> LocalStack:
    """Return it on this engine."""
    client: Any = engine
    return LocalStack(client, service)


def same(service: Service, **environment: str) -> dict[str, Any]:
    """Return what the engine tells of a container that is as the compose file says, but for these variables."""
    has = {name: value for name, value in service.environment.items() if value is not None} | environment
    return {
        "Config": {"Image": service.image, "Env": [f"{name}={value}" for name, value in has.items()]},
        "HostConfig": {"PortBindings": {"4566/tcp": [{"HostIp": "127.0.0.1", "HostPort": "4566"}]}},
        "Mounts": [{"Name": service.volume.name}],
        "Image": "image",
        "State": {"StartedAt": "2026-05-17T12:00:00.123456789Z", "ExitCode": 55},
    }


def test_another_s_container_of_the_name_is_left_alone(service: Service) -> None:
    """Without this project's label it is neither started nor stopped."""
    foreign = Container(labels={LABEL: "other"})
    ours = localstack(Engine(foreign), service)
    for ask in (ours.stop, ours.is_running, ours.status, lambda: ours.start(1)):
        with pytest.raises(ToolError, match="does not belong to this project"):
            ask()
    assert foreign.done == []


def test_clean_removes_what_has_the_label_and_nothing_else(service: Service) -> None:
    """Containers in whatever state, and volumes; one that is being removed already is no error."""
    running, ended = Container(), Container("old", status="exited", fails={"remove": refused(409)})
    other = Container("other", {LABEL: "other"})
    volumes = Volume(NAME, OURS), Volume("other", {LABEL: "other"}), Volume("bare", {})
    localstack(Engine(running, ended, other, volumes=volumes), service).clean()
    assert (running.done, ended.done, other.done) == ([("stop", STOP_SECONDS), "remove"], ["remove"], [])
    assert [one.removed for one in volumes] == [True, False, False]


def test_a_volume_in_use_is_told_with_a_way_to_who_uses_it(service: Service) -> None:
    """Anything else that the engine refuses is passed on."""
    used = Volume(NAME, OURS, fails=refused(409, "volume is in use"))
    with pytest.raises(ToolError, match="is in use: volume is in use") as caught:
        localstack(Engine(volumes=(used,)), service).clean()
    assert caught.value.way_out.endswith(f"docker ps --all --filter volume={NAME}")
    with pytest.raises(APIError):
        localstack(Engine(volumes=(replace(used, fails=refused(500)),)), service).clean()
    with pytest.raises(APIError):
        localstack(Engine(Container(fails={"remove": refused(500)})), service).clean()


def test_a_paused_container_is_woken_before_it_is_stopped(service: Service) -> None:
    """A frozen process hears no signal; one that has ended is left alone."""
    paused, ended = Container(status="paused"), Container(status="exited")
    assert localstack(Engine(paused), service).stop()
    assert paused.done == ["unpause", ("stop", STOP_SECONDS)]
    assert not localstack(Engine(ended), service).stop()
    assert not localstack(Engine(), service).stop()
    assert ended.done == []


def test_a_start_of_what_runs_changes_nothing(service: Service) -> None:
    """It has not been started here, so that `manage` leaves it running."""
    running = Container(attrs=same(service))
    ours = localstack(Engine(running), service)
    assert ours.start(1) == "http://127.0.0.1:4566"
    assert (running.done, ours.started_here) == ([], False)


def test_an_old_container_is_started_again(service: Service) -> None:
    """It has been started here, so that `manage` stops it."""
    old = Container(status="exited", attrs=same(service))
    ours = localstack(Engine(old), service)
    ours.start(1)
    assert (old.done, ours.started_here) == (["start"], True)


def test_what_another_call_has_just_made_is_found(service: Service) -> None:
    """A call from another machine, which knows no lock: the engine's refusal of the name is no error."""
    other, engine = Container(attrs=same(service)), Engine()

    def taken(*_: Any, **__: Any) -> None:
        engine.containers.get = lambda _: other
        raise refused(409, "the name is in use")

    engine.containers.create = taken
    localstack(engine, service).start(1)
    assert other.done == []


def test_what_differs_is_made_anew_and_named_without_its_value(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    """A variable may hold a token."""
    old, new = Container(attrs=same(service, LOCALSTACK_AUTH_TOKEN="secret")), Container(status="created")
    engine = Engine(old, made=new)
    wanted = replace(service, environment={**service.environment, "LOCALSTACK_AUTH_TOKEN": "new-secret"})
    localstack(engine, wanted).start(1)
    assert (old.done, new.done) == ([("stop", STOP_SECONDS), "remove"], ["start"])
    assert engine.created["environment"]["LOCALSTACK_AUTH_TOKEN"] == "new-secret"
    said = capsys.readouterr().err
    assert "(LOCALSTACK_AUTH_TOKEN): recreating it" in said
    assert "secret" not in said


def test_a_start_that_fails_leaves_no_new_container(service: Service) -> None:
    """The engine keeps one whose start failed; an old one stays, with its logs."""
    full = {"start": refused(500, "no space left")}
    new = Container(status="created", fails=full)
    with pytest.raises(ToolError, match="does not start: no space left"):
        localstack(Engine(made=new), service).start(1)
    old = Container(status="exited", attrs=same(service), fails=full)
    with pytest.raises(ToolError, match="does not start: no space left"):
        localstack(Engine(old), service).start(1)
    assert (new.done, old.done) == (["start", "remove"], ["start"])


def test_a_container_that_ends_is_told_by_its_exit_code(service: Service) -> None:
    """55 is an image that wants a token; another comes with the last lines."""

    def started(code: int) -> ToolError:
        ended = Container(status="exited", attrs=same(service))
        ended.attrs["State"]["ExitCode"] = code
        ended.start = lambda: None  # type: ignore[method-assign]  # it ends at once
        with pytest.raises(ToolError) as caught:
            localstack(Engine(ended), service).start(1)
        return caught.value

    assert "LOCALSTACK_IMAGE=localstack/localstack:4.14.0" in started(55).way_out
    assert "exit code 1" in str(started(1))
    assert "  | the last\n  | words" in str(started(1))


def test_a_wait_for_health_ends(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time that is given, or at once where there is no hope."""
    running = Container(attrs=same(service))
    for found, timeout in ((Health("is starting"), 0.3), (Health("has failed", hopeless=True), 3)):
        monkeypatch.setattr(health, "check", lambda _, found=found: found)
        with pytest.raises(ToolError, match=f"unhealthy after 0 s: {found.problem}"):
            localstack(Engine(running), service).start(timeout)
