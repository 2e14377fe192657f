"""Read the compose file as compose does: the container, its port and its volume.

Only the settings that this project's file uses are supported. Others are refused: ignoring them would silently create
a different container than compose does.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from _localstack import dotenv
from _localstack.errors import ComposeError
from _localstack.interpolation import interpolate

LABEL = "pipemodels.localstack"
PROJECT_VARIABLE = "PIPEMODELS_LOCALSTACK_PROJECT"

_TOP = {"name", "services", "volumes"}
_SERVICE = {
    *("container_name", "image", "network_mode", "ports", "environment", "volumes", "labels", "healthcheck"),
}
_VOLUME = {"name", "labels"}
_HEALTHCHECK = {"test", "interval", "timeout", "start_period", "retries"}
_CONTAINER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")  # the engine's own rule
_PORT = re.compile(r"(?P<ip>\d+\.\d+\.\d+\.\d+):(?P<host>\d+):(?P<container>\d+)")
_MOUNT = re.compile(r"(?P<volume>[a-zA-Z0-9][a-zA-Z0-9_.-]*):(?P<target>/[^:]*)")
_DURATION = re.compile(r"(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m(?!s))?(?:(?P<s>\d+)s)?(?:(?P<ms>\d+)ms)?")
_NANOSECONDS = {"h": 3_600_000_000_000, "m": 60_000_000_000, "s": 1_000_000_000, "ms": 1_000_000}


@dataclass(frozen=True)
class Port:
    """A published port of the container."""

    host_ip: str
    host_port: int
    container_port: int


@dataclass(frozen=True)
class Volume:
    """A named volume, and its path in the container."""

    name: str
    target: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Service:
    """The container that the compose file describes.

    In `environment`, None means that the variable is not set. `healthcheck` has the engine's format, with
    durations in nanoseconds.
    """

    container_name: str
    image: str
    network_mode: str
    port: Port
    environment: Mapping[str, str | None]
    volume: Volume
    labels: Mapping[str, str]
    healthcheck: Mapping[str, Any]

    @property
    def project(self) -> str:
        """The label that marks this project's container and volume."""
        return self.labels[LABEL]


def load(path: Path, environment: Mapping[str, str]) -> Service:
    """Read the file and replace its variables, from the environment, then from `.env` in the same directory.

    Raises:
        ComposeError: The file is missing or not YAML, lacks a setting, or has one that is not supported.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ComposeError(f"{path.name} cannot be read: {error}", "restore it with git") from error
    except yaml.YAMLError as error:
        raise ComposeError(f"{path.name} is not YAML: {error}", "correct it, or restore it with git") from error
    variables = dotenv.variables(environment, path.parent / ".env")
    try:
        return _service(_interpolated(document, variables), variables)
    except ComposeError as error:
        raise ComposeError(f"{path.name}: {error.args[0]}", error.way_out) from error


def _interpolated(node: Any, variables: Mapping[str, str]) -> Any:
    """Replace the variables in every value that is a text; keys are not changed, as in compose."""
    if isinstance(node, dict):
        return {key: _interpolated(value, variables) for key, value in node.items()}
    if isinstance(node, list):
        return [_interpolated(value, variables) for value in node]
    return interpolate(node, variables) if isinstance(node, str) else node


def _service(document: Any, variables: Mapping[str, str]) -> Service:
    top = _mapping(document, "the file", _TOP)
    services = _mapping(top.get("services"), "services")
    if len(services) != 1:
        raise ComposeError(f"one service is expected, not {len(services)}: {', '.join(services)}")
    (name,) = services
    where = f"services.{name}"
    service = _mapping(services[name], where, _SERVICE)
    return Service(
        container_name=_name(service, where),
        image=_text(service, "image", where),
        network_mode=_text(service, "network_mode", where),
        port=_port(_only(service, "ports", where)),
        environment=_environment(service.get("environment"), f"{where}.environment", variables),
        volume=_volume(_only(service, "volumes", where), top.get("volumes")),
        labels=_labels(service.get("labels"), f"{where}.labels"),
        healthcheck=_healthcheck(service.get("healthcheck"), f"{where}.healthcheck"),
    )


def _mapping(node: Any, where: str, known: set[str] | None = None) -> dict[str, Any]:
    if not isinstance(node, dict):
        raise ComposeError(f"{where} must be a mapping: {node!r}")
    unknown = sorted(str(key) for key in node if not isinstance(key, str) or (known and key not in known))
    if unknown:
        raise ComposeError(f"{where} has settings that this tool does not support: {', '.join(unknown)}")
    return node


def _text(node: Mapping[str, Any], key: str, where: str) -> str:
    value = node.get(key)
    if not isinstance(value, str) or not value:
        raise ComposeError(f"{where}.{key} must be a text that is not empty: {value!r}")
    return value


def _name(service: Mapping[str, Any], where: str) -> str:
    name = _text(service, "container_name", where)
    if not _CONTAINER.fullmatch(name):
        way_out = f"set {PROJECT_VARIABLE} to letters, digits and _.- that begin with a letter or digit"
        raise ComposeError(f"{where}.container_name is not a valid container name: {name!r}", way_out)
    return name


def _only(service: Mapping[str, Any], key: str, where: str) -> str:
    match service.get(key):
        case [str(value)]:
            return value
        case other:
            raise ComposeError(f"{where}.{key} must be a list of one text: {other!r}", "put quotes around it")


def _port(text: str) -> Port:
    match = _PORT.fullmatch(text)
    if not match or not 0 < int(match["host"]) < 65536:
        raise ComposeError(
            f"not ADDRESS:PORT:PORT with ports from 1 to 65535: {text!r}",
            "set LOCALSTACK_PORT to a port number",
        )
    return Port(match["ip"], int(match["host"]), int(match["container"]))


def _pairs(node: Any, where: str) -> dict[str, Any]:
    """Read a mapping, or compose's other form of it: a list of NAME=value, where a single NAME has no value."""
    if not isinstance(node, list):
        return _mapping(node, where)
    split = [str(entry).partition("=") for entry in node]
    return {name: value if equals else None for name, equals, value in split}


def _environment(node: Any, where: str, variables: Mapping[str, str]) -> dict[str, str | None]:
    pairs = _pairs(node, where)
    for name, value in pairs.items():
        if isinstance(value, bool | float | dict | list):
            raise ComposeError(f"{where}.{name} must be a text: {value!r}", "put quotes around it")
    return {name: variables.get(name) if value is None else str(value) for name, value in pairs.items()}


def _labels(node: Any, where: str) -> dict[str, str]:
    labels = {name: str(value or "") for name, value in _pairs(node, where).items()}
    if not labels.get(LABEL):
        raise ComposeError(f"{where} lacks {LABEL}, by which `clean` recognises its container and volume")
    return labels


def _volume(mount: str, volumes: Any) -> Volume:
    match = _MOUNT.fullmatch(mount)
    if not match:
        raise ComposeError(f"not VOLUME:/PATH with a named volume: {mount!r}")
    where = f"volumes.{match['volume']}"
    volume = _mapping(_mapping(volumes, "volumes").get(match["volume"]), where, _VOLUME)
    return Volume(_text(volume, "name", where), match["target"], _labels(volume.get("labels"), f"{where}.labels"))


def _healthcheck(node: Any, where: str) -> dict[str, Any]:
    check = _mapping(node, where, _HEALTHCHECK)
    match check.get("test"):
        case ["CMD" | "CMD-SHELL", str(), *_] as test:
            pass
        case other:
            raise ComposeError(f"{where}.test must be a list that begins with CMD or CMD-SHELL: {other!r}")
    times: dict[str, int] = {
        key: _duration(str(check[key]), f"{where}.{key}")
        for key in ("interval", "timeout", "start_period")
        if key in check
    }
    retries = check.get("retries", 3)
    if not isinstance(retries, int):
        raise ComposeError(f"{where}.retries must be a whole number: {retries!r}")
    return {"test": test, "retries": retries} | times


def _duration(text: str, where: str) -> int:
    match = _DURATION.fullmatch(text)
    if not match or not text:
        raise ComposeError(f"{where} must be a duration such as 1m30s: {text!r}")
    return sum(int(count) * _NANOSECONDS[unit] for unit, count in match.groupdict().items() if count)
