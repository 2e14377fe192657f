"""The tool against a real Docker engine and a real LocalStack: `pytest tests/tools --engine`.

LOCALSTACK_IMAGE chooses the image, as for the tool. Every project here has a name and a port of its own.
"""

import io
import json
import os
import signal
import socket
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import docker
import pytest
from botocore.config import Config
from botocore.session import Session
from docker.errors import NotFound
from docker.models.containers import Container

from .running import Tool, wait_until

LABEL = "pipemodels.localstack"
TABLE = "kept"


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def cleaned(**environment: str) -> Iterator[Tool]:
    """A new project, of which nothing is left afterwards."""
    with TemporaryDirectory() as scratch:  # for the project's lock file
        own = {"TMPDIR": scratch, **environment}
        tool = Tool(f"pipemodels-test-{uuid.uuid4().hex[:12]}", free_port(), environment=own)
        try:
            yield tool
        finally:
            assert tool.run("clean", "--yes").returncode == 0


@pytest.fixture(scope="session")
def client() -> Iterator[docker.DockerClient]:
    """The engine, asked directly."""
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture
def fresh() -> Iterator[Tool]:
    """A project without a container."""
    with cleaned() as tool:
        yield tool


@pytest.fixture(scope="module")
def shared() -> Iterator[Tool]:
    """A project whose LocalStack runs; tests leave it running, with its settings."""
    with cleaned() as tool:
        started = tool.run("start")
        assert (started.returncode, started.stdout) == (0, f"{tool.endpoint}\n"), started.stderr
        yield tool


@pytest.fixture(scope="module")
def image(client: docker.DockerClient) -> Iterator[Any]:
    """Makes images that end at once with an exit code; they are removed afterwards."""
    made = []

    def ending(code: int) -> str:
        name = f"pipemodels-test/exit:{code}-{uuid.uuid4().hex[:12]}"
        base = os.environ.get("LOCALSTACK_IMAGE", "localstack/localstack:4.14.0")
        script = f"echo line one; echo the end is near >&2; exit {code}"
        text = f'FROM {base}\nENTRYPOINT ["/bin/sh", "-c", "{script}"]\n'
        client.images.build(fileobj=io.BytesIO(text.encode()), tag=name, rm=True)
        made.append(name)
        return name

    yield ending
    for name in made:
        client.images.remove(name, force=True)


def dynamodb(tool: Tool) -> Any:
    """A client of the project's DynamoDB, without retries."""
    return Session().create_client(
        "dynamodb",
        region_name="us-east-1",
        endpoint_url=tool.endpoint,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, proxies={}, read_timeout=20),
    )


def put_one(tool: Tool) -> None:
    """A table with an item in it."""
    database = dynamodb(tool)
    database.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )
    database.put_item(TableName=TABLE, Item={"pk": {"S": "a"}, "n": {"N": "1"}})


def set_probability(tool: Tool, value: float) -> None:
    """Changes the rate of errors while LocalStack runs."""
    body = json.dumps({"variable": "DYNAMODB_ERROR_PROBABILITY", "value": value}).encode()
    request = Request(f"{tool.endpoint}/_localstack/config", body, {"Content-Type": "application/json"})
    with build_opener(ProxyHandler({})).open(request, timeout=10) as reply:
        assert reply.status == 200


def container(client: docker.DockerClient, tool: Tool) -> Container:
    """The project's only container, as the engine knows it."""
    (only,) = client.containers.list(all=True, filters={"label": f"{LABEL}={tool.project}"}, ignore_removed=True)
    return only


def exists(client: docker.DockerClient, tool: Tool) -> bool:
    """Whether the engine has the container, in whatever state."""
    try:
        client.containers.get(tool.container)
    except NotFound:
        return False
    return True


def test_dynamodb_takes_tables_and_items_at_the_endpoint(shared: Tool) -> None:
    """What `start` prints is where DynamoDB answers."""
    put_one(shared)
    read = dynamodb(shared).get_item(TableName=TABLE, Key={"pk": {"S": "a"}}, ConsistentRead=True)
    assert read["Item"] == {"pk": {"S": "a"}, "n": {"N": "1"}}


def test_a_second_start_changes_nothing(shared: Tool, client: docker.DockerClient) -> None:
    """The same container, started at the same moment, and the same endpoint on standard output."""
    before = container(client, shared).attrs["State"]["StartedAt"], container(client, shared).id
    again = shared.run("start")
    assert (again.returncode, again.stdout) == (0, f"{shared.endpoint}\n")
    assert before == (container(client, shared).attrs["State"]["StartedAt"], container(client, shared).id)


def test_status_tells_all_of_a_running_container(shared: Tool) -> None:
    """As JSON for scripts and as lines for people, both with exit code 0."""
    done = shared.run("status", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert found == {
        "container": shared.container,
        "state": "running",
        "healthy": True,
        "problem": None,
        "dynamodb": "running",
        "version": "4.14.0",
        "edition": "community",
        "endpoint": shared.endpoint,
        "uptime_seconds": found["uptime_seconds"],
        "image": os.environ.get("LOCALSTACK_IMAGE", "localstack/localstack:4.14.0"),
    }
    assert 0 <= found["uptime_seconds"] < 600
    lines = shared.run("status").stdout.splitlines()
    assert lines[:4] == [
        f"container  {shared.container} (running)",
        "health     healthy",
        "version    4.14.0 (community)",
        f"endpoint   {shared.endpoint}",
    ]


def test_status_heeds_no_profile_of_the_user(shared: Tool) -> None:
    """A profile that does not exist and a proxy that does not answer keep nobody from LocalStack."""
    dead = f"http://127.0.0.1:{free_port()}"
    done = shared.run("status", AWS_PROFILE="no-such-profile", HTTP_PROXY=dead, http_proxy=dead)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_engine_s_own_health_check_works_in_the_image(shared: Tool, client: docker.DockerClient) -> None:
    """What the compose file has the container ask itself ends as `healthy`."""
    wait_until(
        lambda: container(client, shared).attrs["State"]["Health"]["Status"] == "healthy",
        "the health check says healthy",
    )


def test_it_is_published_on_this_machine_only(shared: Tool, client: docker.DockerClient) -> None:
    """One port, on 127.0.0.1."""
    ports = container(client, shared).attrs["NetworkSettings"]["Ports"]
    assert {name: bound for name, bound in ports.items() if bound} == {
        "4566/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(shared.port)}]
    }


def test_logs_end_with_the_asked_number_of_lines(shared: Tool) -> None:
    """`--tail 2` gives the last two lines of what `logs` gives."""
    whole = shared.run("logs").stdout.splitlines()
    assert "Ready." in whole
    tail = shared.run("logs", "--tail", "2").stdout.splitlines()
    assert len(tail) == 2


def test_followed_logs_show_what_happens_until_an_interruption(shared: Tool, tmp_path: Path) -> None:
    """A request made meanwhile appears; Ctrl-C ends it with 130."""
    output = tmp_path / "output"

    def seen() -> bool:
        dynamodb(shared).list_tables()  # again each time: what goes by before it is connected is not shown
        return "ListTables" in output.read_text()

    arguments = ["logs", "--follow", "--tail", "0"]
    with output.open("w") as file, shared.begin(arguments, {}, file) as process:
        wait_until(seen, "a request in the logs")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_logs_into_a_closed_pipe_are_no_traceback(shared: Tool) -> None:
    """`logs | head` ends quietly."""
    with shared.popen("logs") as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.wait(10) in (0, 1)
        assert process.stderr.read() == ""


def test_a_port_of_another_container_is_told_with_its_name(
    shared: Tool, fresh: Tool, client: docker.DockerClient
) -> None:
    """The error names the container that has the port, and nothing half-made is left."""
    done = fresh.run("start", LOCALSTACK_PORT=str(shared.port))
    assert done.returncode == 1
    assert f"port {shared.port} of 127.0.0.1 is taken by the container {shared.container}" in done.stderr
    assert f"LOCALSTACK_PORT={shared.port + 1}" in done.stderr
    assert not exists(client, fresh)


def test_a_port_of_a_process_is_told_with_its_number(fresh: Tool, client: docker.DockerClient) -> None:
    """The error names the process, and a start after it has gone works from where this one ended."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", fresh.port))
        server.listen()
        done = fresh.run("start")
    assert done.returncode == 1
    assert f"port {fresh.port} of 127.0.0.1 is taken by process {os.getpid()} (" in done.stderr
    assert not exists(client, fresh)


def test_a_paused_container_is_unhealthy_until_a_start(shared: Tool, client: docker.DockerClient) -> None:
    """`status` says 4 without waiting for an answer; `start` lets it go on with all its data."""
    container(client, shared).pause()
    done = shared.run("status")
    assert done.returncode == 4
    assert "unhealthy: the container is paused" in done.stdout
    assert shared.run("start").returncode == 0
    assert shared.run("status").returncode == 0


def test_injected_errors_are_no_ill_health(shared: Tool) -> None:
    """Where every request is refused as was asked for, DynamoDB is there."""
    set_probability(shared, 1.0)
    try:
        assert shared.run("status").returncode == 0
    finally:
        set_probability(shared, 0.0)


def test_manage_leaves_running_what_ran_before(shared: Tool) -> None:
    """The program gets the endpoint and the test account; its exit code is the call's."""
    program = (
        "from os import environ as e; print(e['PIPEMODELS_STORE'], e['AWS_ACCESS_KEY_ID'],"
        " e['AWS_SECRET_ACCESS_KEY'], e['AWS_REGION'], 'AWS_PROFILE' in e); exit(7)"
    )
    done = shared.run("manage", "--", sys.executable, "-c", program, AWS_PROFILE="real")
    assert done.returncode == 7
    assert done.stdout == f"{shared.endpoint} test test us-east-1 False\n"
    assert shared.status()["healthy"]


def test_tests_run_on_a_started_localstack(shared: Tool, tmp_path: Path) -> None:
    """Pytest gets the endpoint, the back end and the user's arguments, and its exit code is passed on."""
    (tmp_path / "tools").symlink_to(shared.script.parent)
    root = shared.script.parents[1]
    seen = tmp_path / "seen"
    # a stand-in for pytest, found first, shows how it was called
    (tmp_path / "pytest.py").write_text(
        "import json, os, sys\n"
        f"open({str(seen)!r}, 'w').write(json.dumps("
        "[os.getcwd(), sys.argv[1:], os.environ['PIPEMODELS_LOCALSTACK_ENDPOINT']]))\n"
        "sys.exit(3)\n"
    )
    done = shared.run("test", "-v", "-k", "p", "--", "-x", PYTHONPATH=str(tmp_path))
    assert done.returncode == 3, done.stderr
    paths = ["tests/integration", "tests/property", "tests/survival"]
    own = ["--backend", "localstack", "-v", "-k", "p", "-x"]
    assert json.loads(seen.read_text()) == [str(root), [*paths, *own], shared.endpoint]
    assert shared.run("test-all", PYTHONPATH=str(tmp_path)).returncode == 3
    back_ends = ["--backend", "moto", "--backend", "embedded", "--backend", "localstack"]
    assert json.loads(seen.read_text()) == [str(root), ["tests", *back_ends], shared.endpoint]
    assert shared.status()["healthy"]


def test_stop_keeps_the_container_and_restart_begins_anew(fresh: Tool, client: docker.DockerClient) -> None:
    """Stopped is status 3, twice is no error; the container is the same, its tables are gone."""
    assert fresh.run("status").returncode == 3
    assert fresh.run("stop").stderr == "it was not running\n"
    assert fresh.run("logs").returncode == 1
    assert fresh.run("start").returncode == 0
    first = container(client, fresh)
    put_one(fresh)
    assert fresh.run("stop").stderr == "stopped\n"
    assert container(client, fresh).attrs["State"]["ExitCode"] == 0
    stopped = fresh.run("status", "--json")
    assert (stopped.returncode, json.loads(stopped.stdout)["state"]) == (3, "exited")
    assert "Ready." in fresh.run("logs").stdout.splitlines()
    assert fresh.run("stop").stderr == "it was not running\n"
    restarted = fresh.run("restart")
    assert (restarted.returncode, restarted.stdout) == (0, f"{fresh.endpoint}\n")
    assert container(client, fresh).id == first.id
    assert dynamodb(fresh).list_tables()["TableNames"] == []


def test_a_restart_keeps_tables_and_items_where_persistence_is_on(client: docker.DockerClient) -> None:
    """PERSISTENCE=1 keeps them in the named volume, also for a container that is made anew."""
    with cleaned(PERSISTENCE="1") as tool:
        assert tool.run("start").returncode == 0
        put_one(tool)
        first = container(client, tool)
        assert tool.run("start", DYNAMODB_REMOVE_EXPIRED_ITEMS="1").returncode == 0
        assert container(client, tool).id != first.id
        read = dynamodb(tool).get_item(TableName=TABLE, Key={"pk": {"S": "a"}}, ConsistentRead=True)
        assert read["Item"] == {"pk": {"S": "a"}, "n": {"N": "1"}}


def test_clean_removes_its_own_and_nothing_else(fresh: Tool, client: docker.DockerClient) -> None:
    """Another project's container and volume, and those without a label, outlive it."""
    mine = os.environ.get("LOCALSTACK_IMAGE", "localstack/localstack:4.14.0")
    name = fresh.project
    others = [
        client.containers.create(mine, name=f"{name}-other", labels={LABEL: f"{name}-other"}),
        client.containers.create(mine, name=f"{name}-plain"),
    ]
    volumes = [
        client.volumes.create(f"{name}-other", labels={LABEL: f"{name}-other"}),
        client.volumes.create(f"{name}-plain"),
    ]
    try:
        with fresh.popen("start") as process:
            wait_until(lambda: exists(client, fresh), "the container")
            process.kill()
        assert fresh.run("clean").returncode == 1  # nobody can be asked here
        assert exists(client, fresh)
        done = fresh.run("clean", "--yes")
        assert done.returncode == 0
        assert done.stderr == f"removed container {fresh.container}, volume {fresh.container}\n"
        assert not exists(client, fresh)
        with pytest.raises(NotFound):
            client.volumes.get(fresh.container)
        for other in others:
            other.reload()
        for volume in volumes:
            volume.reload()
        assert fresh.run("clean").stderr == "nothing to remove\n"
    finally:
        for other in others:
            other.remove(v=True)
        for volume in volumes:
            volume.remove()


def test_a_container_of_the_same_name_that_is_not_ours_is_left_alone(
    fresh: Tool, client: docker.DockerClient
) -> None:
    """Every command refuses to touch it, and says how to go on."""
    base = os.environ.get("LOCALSTACK_IMAGE", "localstack/localstack:4.14.0")
    foreign = client.containers.create(base, name=fresh.container)
    try:
        for command in ("start", "stop", "restart", "status", "logs"):
            done = fresh.run(command)
            assert done.returncode == 1
            assert f"the container {fresh.container} does not belong to this project" in done.stderr
            assert "PIPEMODELS_LOCALSTACK_PROJECT=" in done.stderr
        assert fresh.run("clean", "--yes").stderr == "nothing to remove\n"
        foreign.reload()
        assert foreign.status == "created"
    finally:
        foreign.remove(v=True)


def test_two_starts_at_once_make_one_container(fresh: Tool, client: docker.DockerClient) -> None:
    """Both end well, with the same endpoint."""
    with fresh.popen("start") as one, fresh.popen("start") as two:
        outputs = [one.communicate(timeout=90), two.communicate(timeout=90)]
    assert [output for output, _ in outputs] == [f"{fresh.endpoint}\n"] * 2, outputs
    assert (one.returncode, two.returncode) == (0, 0)
    assert container(client, fresh).status == "running"


def test_two_starts_without_a_common_lock_make_one_container(
    fresh: Tool, client: docker.DockerClient, tmp_path: Path
) -> None:
    """From two machines of one engine, or two users, the engine's refusal of the second name is enough."""
    homes = [tmp_path / "one", tmp_path / "two"]
    for home in homes:
        home.mkdir()
    begun = [fresh.popen("start", TMPDIR=str(home)) for home in homes]
    with begun[0] as one, begun[1] as two:
        outputs = [one.communicate(timeout=90), two.communicate(timeout=90)]
    assert [output for output, _ in outputs] == [f"{fresh.endpoint}\n"] * 2, outputs
    assert container(client, fresh).status == "running"


def test_a_start_that_is_killed_is_mended_by_the_next(fresh: Tool, client: docker.DockerClient) -> None:
    """SIGKILL as soon as there is a container: the next start takes it as it is."""
    with fresh.popen("start") as process:
        wait_until(lambda: exists(client, fresh), "the container")
        process.kill()
    left = container(client, fresh).id
    done = fresh.run("start")
    assert (done.returncode, done.stdout) == (0, f"{fresh.endpoint}\n"), done.stderr
    assert container(client, fresh).id == left


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_start_that_is_interrupted_says_so(
    fresh: Tool, client: docker.DockerClient, number: signal.Signals
) -> None:
    """128 and the signal, no traceback; `stop` mends what is left, whatever that is."""
    with fresh.popen("start") as process:
        wait_until(lambda: exists(client, fresh) and container(client, fresh).status == "running", "it runs")
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert "Traceback" not in errors
    assert errors.endswith("interrupted; what is there now: `status`\n")
    assert fresh.run("stop").returncode == 0
    assert fresh.run("status").returncode == 3


def test_localstack_without_dynamodb_is_unhealthy_until_the_setting_is_right(
    fresh: Tool, client: docker.DockerClient
) -> None:
    """The last log lines are shown, `status` is 4; a start with other settings makes the container anew."""
    done = fresh.run("start", LOCALSTACK_SERVICES="sts")
    assert done.returncode == 1
    assert "the container is unhealthy after" in done.stderr
    assert "LocalStack runs without DynamoDB" in done.stderr
    assert "  | Ready." in done.stderr
    assert fresh.run("status").returncode == 4
    wrong = container(client, fresh).id
    right = fresh.run("start")
    assert right.returncode == 0, right.stderr
    assert "differs from the compose file (SERVICES): recreating it" in right.stderr
    assert container(client, fresh).id != wrong


def test_a_wait_for_health_is_bounded(fresh: Tool) -> None:
    """After `--timeout` it is told how far it got; in `manage`, what was started for it is stopped."""
    done = fresh.run("manage", "--timeout", "0.2", "--", "true")
    assert done.returncode == 125
    assert "the container is unhealthy after" in done.stderr
    assert done.stderr.rstrip().splitlines()[0].startswith("creating ")
    assert fresh.run("status").returncode == 3


def test_an_image_that_wants_a_token_is_told_with_the_free_one(fresh: Tool, image: Any) -> None:
    """Exit code 55 names the variable and the last free tag."""
    done = fresh.run("start", LOCALSTACK_IMAGE=image(55))
    assert done.returncode == 1
    assert "exit code 55" in done.stderr
    assert "set LOCALSTACK_AUTH_TOKEN" in done.stderr
    assert "LOCALSTACK_IMAGE=localstack/localstack:4.14.0" in done.stderr


def test_a_container_that_ends_shows_its_last_lines(fresh: Tool, image: Any) -> None:
    """Its state, exit code and output, from both of its streams."""
    done = fresh.run("start", LOCALSTACK_IMAGE=image(9))
    assert done.returncode == 1
    assert "the container is exited (exit code 9) before DynamoDB answered; its last lines:" in done.stderr
    assert "  | line one" in done.stderr
    assert "  | the end is near" in done.stderr


def test_an_image_that_cannot_be_pulled_is_told_with_a_way_out(fresh: Tool, client: docker.DockerClient) -> None:
    """The engine's reason, and that a local image can be named."""
    name = f"127.0.0.1:{free_port()}/no/such:1"
    done = fresh.run("start", LOCALSTACK_IMAGE=name)
    assert done.returncode == 1
    assert f"the image {name} cannot be pulled: " in done.stderr
    assert "connection refused" in done.stderr
    assert "LOCALSTACK_IMAGE=NAME:TAG" in done.stderr
    assert not exists(client, fresh)


@pytest.mark.parametrize(("program", "code"), [(["sh", "-c", "exit 7"], 7), (["no-such-program"], 127)])
def test_manage_stops_what_it_started(fresh: Tool, program: list[str], code: int) -> None:
    """Whether the program fails or cannot even be found, and with its exit code."""
    done = fresh.run("manage", "--", *program)
    assert done.returncode == code
    assert done.stderr.endswith("stopping LocalStack\n")
    assert fresh.run("status").returncode == 3


def test_manage_stops_what_it_started_when_it_is_told_to_end(fresh: Tool) -> None:
    """SIGTERM reaches the program, and LocalStack is stopped after it."""
    program = (
        "import signal, sys\nsignal.signal(15, lambda *_: sys.exit(42))\nprint('up', flush=True)\nsignal.pause()"
    )
    with fresh.popen("manage", "--", sys.executable, "-c", program) as process:
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        process.terminate()
        assert process.wait(30) == 42
    assert fresh.run("status").returncode == 3


def test_manage_without_a_program_waits_for_an_interruption(fresh: Tool) -> None:
    """It shows what to export, ends with 0 at Ctrl-C, and stops LocalStack."""
    with fresh.popen("manage") as process:
        assert process.stderr
        lines: list[str] = []
        while not any("AWS_DEFAULT_REGION" in line for line in lines):
            lines.append(process.stderr.readline())
            assert lines[-1], lines
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=30)
    assert process.returncode == 0
    assert rest == "stopping LocalStack\n"
    assert f"  export PIPEMODELS_STORE={fresh.endpoint}\n" in lines
    assert fresh.run("status").returncode == 3


def test_manage_interrupted_during_its_start_stops_it(fresh: Tool, client: docker.DockerClient) -> None:
    """Also before DynamoDB answers, what this call started is stopped."""
    with fresh.popen("manage", "--", "true") as process:
        wait_until(lambda: exists(client, fresh) and container(client, fresh).status == "running", "it runs")
        process.terminate()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "stopping LocalStack" in errors
    assert fresh.run("status").returncode == 3
