"""The Docker engine: its connection, its images, and its errors as messages for the user."""

import os
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound
from docker.utils import parse_repository_tag

from _localstack import ports
from _localstack.compose import Port
from _localstack.console import say
from _localstack.errors import ToolError

SECONDS = 60
"""The time limit of one reply of the engine; stopping includes waiting for the container."""

_TAKEN = ("port is already allocated", "address already in use", "ports are not available")


def connect() -> docker.DockerClient:
    """Return a client of the engine that DOCKER_HOST names, or of the default engine.

    Raises:
        ToolError: There is no engine, or the user may not use it; the error says what to do.
    """
    try:
        return docker.from_env(timeout=SECONDS)
    except (DockerException, requests.RequestException) as error:
        raise _unreachable(error) from error


def _unreachable(error: BaseException) -> ToolError:
    where = os.environ.get("DOCKER_HOST") or "the default socket"
    causes = list(_causes(error))
    if any(isinstance(cause, PermissionError) for cause in causes):
        return ToolError(
            f"you do not have permission to use the Docker engine ({where})",
            "sudo usermod -aG docker $USER, then log in again; or set up rootless Docker",
        )
    return ToolError(
        f"no Docker engine answers at {where}: {_innermost(causes)}",
        "start Docker; if it listens elsewhere (Docker Desktop, Colima, rootless), "
        "export DOCKER_HOST=$(docker context inspect -f '{{.Endpoints.docker.Host}}')",
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes; requests and urllib3 keep the cause among the arguments."""
    yield error
    inner = [argument for argument in error.args if isinstance(argument, BaseException)]
    for cause in (*inner, error.__cause__ or error.__context__):
        if cause is not None:
            yield from _causes(cause)


def _innermost(causes: list[BaseException]) -> str:
    system = [cause for cause in causes if isinstance(cause, OSError) and cause.strerror]
    return str(system[-1].strerror if system else causes[0])


@contextmanager
def translating_errors() -> Iterator[None]:
    """Turn errors of the engine into a ToolError.

    Raises:
        ToolError: The engine failed; the message has its explanation.
    """
    try:
        yield
    except (DockerException, requests.RequestException) as error:
        raise ToolError(
            f"the Docker engine failed: {words(error)}", "see `docker info` and the engine's log"
        ) from error


def words(error: Exception) -> str:
    """Return the engine's explanation on one line."""
    explanation = error.explanation if isinstance(error, APIError) else None
    return " ".join(str(explanation or error).split())


def start_failure(error: APIError, client: docker.DockerClient, port: Port) -> ToolError:
    """Return why a container did not start: the port is in use, or the engine's explanation."""
    if any(sign in words(error).lower() for sign in _TAKEN):
        return port_taken(port, ports.holder(client, port.host_port))
    return ToolError(f"the container does not start: {words(error)}", "see `docker info` and the engine's log")


def port_taken(port: Port, by: str) -> ToolError:
    """Return the error for a port that is already in use."""
    return ToolError(
        f"port {port.host_port} of {port.host_ip} is taken by {by or 'a process that this user cannot see'}",
        f"stop it, or choose another port: LOCALSTACK_PORT={port.host_port % 65535 + 1}",
    )


def image_id(client: docker.DockerClient, image: str) -> str | None:
    """Return the id of the image of that name, or None if the engine does not have it."""
    try:
        return client.images.get(image).id
    except ImageNotFound:
        return None


def ensure_image(client: docker.DockerClient, image: str, patience: float) -> None:
    """Pull the image if the engine does not have it, and print the progress.

    Args:
        client: The engine.
        image: Name with tag or digest.
        patience: Give up after this many seconds without progress. A slow pull may take longer in all.

    Raises:
        ToolError: The image cannot be pulled.
    """
    if image_id(client, image):
        return
    say(f"pulling {image}")
    try:
        _follow(_pull(client, image), patience)
    except (DockerException, requests.RequestException) as error:
        raise _no_image(image, words(error)) from error
    except queue.Empty as error:
        raise _no_image(image, f"no progress for {patience:g} seconds") from error
    if not image_id(client, image):
        raise _no_image(image, "it is missing after the pull")


def _no_image(image: str, why: str) -> ToolError:
    return ToolError(
        f"the image {image} cannot be pulled: {why}",
        "check its name and the network; or build or load one and name it: LOCALSTACK_IMAGE=NAME:TAG",
    )


def _pull(client: docker.DockerClient, image: str) -> "queue.Queue[dict[str, Any] | Exception | None]":
    """Start a pull; return a queue of its events, then None or the error that ended it."""
    events: queue.Queue[dict[str, Any] | Exception | None] = queue.Queue()

    def feed() -> None:
        repository, tag = parse_repository_tag(image)
        try:
            for event in client.api.pull(repository, tag or "latest", stream=True, decode=True):
                events.put(event)
            events.put(None)
        except Exception as error:  # `_follow` raises it again
            events.put(error)

    # the SDK reads a pull without a time limit; a separate thread can be abandoned
    threading.Thread(target=feed, daemon=True).start()
    return events


def _follow(events: "queue.Queue[dict[str, Any] | Exception | None]", patience: float) -> None:
    layers: dict[str, str] = {}
    said = time.monotonic()
    while (event := events.get(timeout=patience)) is not None:
        if isinstance(event, Exception):
            raise event
        if "error" in event:
            raise DockerException(event["error"])
        if "progressDetail" in event:
            layers[event["id"]] = event["status"]
        if time.monotonic() - said > 3:
            said = time.monotonic()
            done = sum(status in ("Pull complete", "Already exists") for status in layers.values())
            say(f"  {done} of {len(layers)} layers")
