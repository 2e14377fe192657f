"""Create, start, stop and remove the container that the compose file describes.

The engine holds all state, so that after a call that was killed, the next call continues from there.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal

from docker import DockerClient
from docker.errors import APIError, NotFound
from docker.models.containers import Container
from docker.models.volumes import Volume

from _localstack import engine, health
from _localstack.compose import LABEL, PROJECT_VARIABLE, Service
from _localstack.console import say
from _localstack.errors import ToolError
from _localstack.lock import one_at_a_time

STOP_SECONDS = 10
"""How long the engine waits for LocalStack to save its state before killing it; LocalStack's own limit is 5."""

_NO_TOKEN = 55
_LAST_FREE = "localstack/localstack:4.14.0"
_LAST_LINES = 15
_SAY_EVERY = 5.0
_ATTEMPTS = 20


class LocalStack:
    """This project's container in the engine.

    `started_here` is True if a call of this object started the container, even if that call failed later.
    """

    def __init__(self, client: DockerClient, service: Service) -> None:
        self._client = client
        self._service = service
        self.started_here = False

    def find(self) -> Container | None:
        """Return the container in any state, or None.

        Raises:
            ToolError: A container of that name does not belong to this project.
        """
        try:
            container = self._client.containers.get(self._service.container_name)
        except NotFound:
            return None
        if container.labels.get(LABEL) != self._service.project:
            raise ToolError(
                f"the container {container.name} does not belong to this project: "
                f"it lacks the label {LABEL}={self._service.project}",
                f"rename or remove it yourself, or choose another name: {PROJECT_VARIABLE}=NAME",
            )
        return container

    def start(self, timeout: float) -> str:
        """Start the container, wait until DynamoDB answers, and return the endpoint. A repeat changes nothing.

        A container that differs from the compose file is recreated, as by compose. The timeout limits each wait:
        for other calls, for progress of a pull, for DynamoDB.

        Raises:
            ToolError: It does not run, or DynamoDB does not answer in time; the container stays, for its logs.
        """
        with one_at_a_time(self._service.container_name, timeout):
            container = self._bring_up(timeout)
        return self._wait_until_healthy(container, timeout)

    def is_running(self) -> bool:
        """Ask the engine whether the container is up."""
        container = self.find()
        return container is not None and is_up(container)

    def stop(self) -> bool:
        """Stop the container, keep it and its volume; return False if it was not running."""
        container = self.find()
        if container is None or not is_up(container):
            return False
        if container.status == "paused":  # a paused process receives no signals
            container.unpause()
        container.stop(timeout=STOP_SECONDS)
        return True

    def owned(self) -> tuple[list[Container], list[Volume]]:
        """Return the containers and volumes with this project's label."""
        filters: dict[str, str | list[str] | bool] = {"label": f"{LABEL}={self._service.project}"}
        containers = self._client.containers.list(all=True, filters=filters, ignore_removed=True)
        return containers, self._client.volumes.list(filters=filters)

    def clean(self) -> None:
        """Stop and remove the containers and volumes with this project's label, and nothing else."""
        containers, volumes = self.owned()
        for container in containers:
            _remove(container)
        for volume in volumes:
            _remove_volume(volume)

    def logs(self, tail: int | Literal["all"], follow: bool) -> Iterator[bytes]:
        """Yield the output so far, or continuously.

        Raises:
            ToolError: The container does not exist.
        """
        container = self.find()
        if container is None:
            raise ToolError("the container does not exist, so there are no logs", "create it with `start`")
        return container.logs(stream=True, follow=follow, tail=tail)

    def status(self) -> dict[str, Any]:
        """Ask the engine for the state of the container; `healthy` is True if DynamoDB answers."""
        container = self.find()
        state = container.status if container else "absent"
        found: dict[str, Any] = {
            **{"container": self._service.container_name, "state": state, "healthy": False, "problem": None},
            **{"dynamodb": None, "version": None, "edition": None, "endpoint": None, "uptime_seconds": None},
            "image": container.attrs["Config"]["Image"] if container else None,
        }
        if container is None or not is_up(container):
            return found
        endpoint = self._endpoint(container)
        checked = health.check(endpoint) if state == "running" else health.Health(f"the container is {state}")
        found |= {
            "healthy": not checked.problem,
            "problem": checked.problem or None,
            "dynamodb": checked.dynamodb,
        }
        found |= {"version": checked.version, "edition": checked.edition, "endpoint": endpoint}
        return found | {"uptime_seconds": _uptime(container)}

    def _bring_up(self, timeout: float) -> Container:
        for attempt in range(_ATTEMPTS):
            try:
                return self._running(timeout)
            except APIError as error:
                # another call has just created or removed it; try again after it
                if error.status_code not in (404, 409) or attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(0.1)
        raise AssertionError("unreachable")

    def _running(self, timeout: float) -> Container:
        container = self.find()
        was_up = container is not None and is_up(container)
        if container is not None:
            container = self._kept_if_same(container)
        if container is None:
            engine.ensure_image(self._client, self._service.image, timeout)
            container = self._create()
            return self._start(container, was_up, new=True)
        if container.status == "paused":
            container.unpause()
        return container if was_up else self._start(container, was_up, new=False)

    def _kept_if_same(self, container: Container) -> Container | None:
        differences = list(self._differences(container))
        if not differences:
            return container
        say(f"the container differs from the compose file ({'; '.join(differences)}): recreating it")
        _remove(container)
        return None

    def _create(self) -> Container:
        service = self._service
        say(f"creating {service.container_name} from {service.image}")
        self._client.volumes.create(service.volume.name, labels=dict(service.volume.labels))
        return self._client.containers.create(
            service.image,
            name=service.container_name,
            environment={name: value for name, value in service.environment.items() if value is not None},
            ports={f"{service.port.container_port}/tcp": (service.port.host_ip, service.port.host_port)},
            volumes={service.volume.name: {"bind": service.volume.target, "mode": "rw"}},
            labels=dict(service.labels),
            network_mode=service.network_mode,
            healthcheck=dict(service.healthcheck),
        )

    def _start(self, container: Container, was_up: bool, new: bool) -> Container:
        # set first: an interruption during the request must not leave the container running unnoticed
        self.started_here = not was_up
        try:
            container.start()
        except BaseException as error:
            if new:  # the engine keeps a container whose start failed
                _remove(container)
            if isinstance(error, APIError) and error.status_code not in (404, 409):
                raise engine.start_failure(error, self._client, self._service.port) from error
            raise
        return container

    def _differences(self, container: Container) -> Iterator[str]:
        """Yield the differences from the compose file, without values of variables, which may be secret."""
        service = self._service
        config, host = container.attrs["Config"], container.attrs["HostConfig"]
        if config["Image"] != service.image:
            yield f"image {config['Image']}, now {service.image}"
        elif engine.image_id(self._client, service.image) not in (container.attrs["Image"], None):
            yield f"{service.image} is a different image now"
        published = [{"HostIp": service.port.host_ip, "HostPort": str(service.port.host_port)}]
        if (host["PortBindings"] or {}).get(f"{service.port.container_port}/tcp") != published:
            yield f"port, now {service.port.host_port}"
        if all(mount.get("Name") != service.volume.name for mount in container.attrs["Mounts"]):
            yield f"volume, now {service.volume.name}"
        has = dict(entry.partition("=")[::2] for entry in config["Env"] or [])
        for name, value in service.environment.items():
            if has.get(name) != value:
                yield name

    def _wait_until_healthy(self, container: Container, timeout: float) -> str:
        began = said = time.monotonic()
        while True:
            container.reload()
            if container.status != "running":
                raise _ended(container)
            endpoint = self._endpoint(container)
            found = health.check(endpoint)
            waited = time.monotonic() - began
            if not found.problem:
                say(f"LocalStack {found.version} is healthy after {waited:.1f} s")
                return endpoint
            if found.hopeless or waited > timeout:
                raise _unhealthy(container, found.problem, waited)
            if time.monotonic() - said > _SAY_EVERY:
                said = time.monotonic()
                say(f"  {waited:.0f} of {timeout:g} s: {found.problem}")
            time.sleep(0.2)

    def _endpoint(self, container: Container) -> str:
        """Return the published endpoint, or directly after a start the configured one."""
        port = self._service.port
        match container.ports.get(f"{port.container_port}/tcp"):
            case [{"HostIp": ip, "HostPort": number}, *_]:
                return f"http://{ip}:{number}"
        return f"http://{port.host_ip}:{port.host_port}"


def is_up(container: Container) -> bool:
    """Return whether the process of the container exists, paused or not."""
    return container.status in ("running", "paused", "restarting")


def _remove(container: Container) -> None:
    try:
        if is_up(container):
            container.stop(timeout=STOP_SECONDS)
        # this removes its anonymous volumes, and keeps named ones
        container.remove(force=True, v=True)
    except NotFound:
        pass
    except APIError as error:
        if error.status_code != 409:  # another call is removing it
            raise


def _remove_volume(volume: Volume) -> None:
    try:
        volume.remove()
    except NotFound:
        pass
    except APIError as error:
        if error.status_code != 409:
            raise
        raise ToolError(
            f"the volume {volume.name} is in use: {engine.words(error)}",
            f"remove the container that uses it: docker ps --all --filter volume={volume.name}",
        ) from error


def _uptime(container: Container) -> int:
    # the time has nine decimals and a Z; whole seconds are enough
    started = datetime.fromisoformat(container.attrs["State"]["StartedAt"][:19]).replace(tzinfo=UTC)
    return max(0, int((datetime.now(UTC) - started).total_seconds()))


def _last_lines(container: Container) -> str:
    lines = container.logs(tail=_LAST_LINES).decode(errors="replace").splitlines()
    return "\n".join(["its last lines:", *(f"  | {line}" for line in lines)]) if lines else "it has logged nothing"


def _ended(container: Container) -> ToolError:
    code = container.attrs["State"]["ExitCode"]
    if code == _NO_TOKEN:
        return ToolError(
            f"LocalStack ended with exit code {code}: this image needs a token",
            f"set LOCALSTACK_AUTH_TOKEN, or use the last tag without one: LOCALSTACK_IMAGE={_LAST_FREE}",
        )
    return ToolError(
        f"the container is {container.status} (exit code {code}) before DynamoDB answered; {_last_lines(container)}",
        "see the lines above; to start from scratch: `clean`, then `start`",
    )


def _unhealthy(container: Container, problem: str, waited: float) -> ToolError:
    return ToolError(
        f"the container is unhealthy after {waited:.0f} s: {problem}; {_last_lines(container)}",
        "see `logs`; LOCALSTACK_SERVICES must name dynamodb; a slow machine may need a longer --timeout",
    )
