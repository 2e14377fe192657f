"""The command line where there is no engine: arguments, what pytest is given, and every error's way out."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import docker
import pytest
import requests
from _localstack import cli, engine, health, ports
from _localstack.compose import Port
from _localstack.errors import ToolError
from docker.errors import APIError, DockerException

from .running import ROOT, SCRIPT, Tool

NO_ENGINE = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}


def spoiled(prelude: str) -> "subprocess.CompletedProcess[str]":
    """`status` in a process in which something has gone wrong before."""
    program = (
        f"import runpy, sys\n{prelude}\n"
        f"sys.path.insert(0, {str(SCRIPT.parent)!r})\n"
        "sys.argv = ['localstack.py', 'status']\n"
        f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    )
    arguments = [sys.executable, "-c", program]
    return subprocess.run(arguments, env=os.environ | NO_ENGINE, capture_output=True, text=True, check=False)


@pytest.fixture
def copied(tmp_path: Path) -> Tool:
    """The tool in a project of its own, whose tests show how pytest was called."""
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "docker-compose.localstack.yml", tmp_path)
    unit = tmp_path / "tests" / "unit"
    unit.mkdir(parents=True)
    (unit / "test_it.py").write_text("def test_good(): pass\ndef test_bad(): assert False\n")
    return Tool(script=tmp_path / "tools" / "localstack.py", environment=NO_ENGINE)


def test_unit_tests_need_no_engine(copied: Tool) -> None:
    """`test-unit` passes pytest's exit code on: 1 where a test fails."""
    done = copied.run("test-unit")
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout


def test_options_reach_pytest(copied: Tool) -> None:
    """-v, -k and all that follows `--` are passed on, with what they do to the exit code."""
    done = copied.run("test-unit", "-v", "-k", "good", "--", "--maxfail=1", "-p", "no:cacheprovider")
    assert done.returncode == 0
    assert "test_it.py::test_good PASSED" in done.stdout
    assert "1 deselected" in done.stdout
    assert copied.run("test-unit", "-k", "neither").returncode == 5
    assert copied.run("test-unit", "--", "--no-such-option").returncode == 4


def test_a_broken_compose_file_is_an_error_of_one_line(copied: Tool) -> None:
    """The compose file is the single source: without it nothing is done, and no engine is asked."""
    (copied.script.parents[1] / "docker-compose.localstack.yml").write_text("services: [")
    done = copied.run("start")
    assert done.returncode == 1
    assert done.stderr.startswith("error: docker-compose.localstack.yml is not YAML: ")


@pytest.mark.parametrize("command", ["start", "stop", "restart", "status", "logs", "clean"])
def test_no_engine_is_said_with_a_way_out(command: str) -> None:
    """Every command that needs an engine says where it looked, and how to point it elsewhere."""
    done = Tool().run(command, **NO_ENGINE)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "no Docker engine answers at unix:///nonexistent/docker.sock: No such file or directory" in done.stderr
    assert "what to do: start Docker" in done.stderr
    assert "DOCKER_HOST" in done.stderr


@pytest.mark.parametrize("command", ["test", "test-all", "manage"])
def test_a_failure_of_the_tool_itself_is_125(command: str) -> None:
    """It can be told from the exit codes of pytest and of the program that `manage` runs."""
    done = Tool().run(command, **NO_ENGINE)
    assert done.returncode == 125
    assert "no Docker engine answers" in done.stderr


def test_a_refused_connection_is_no_engine() -> None:
    """A socket that nobody serves any more is told as such."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    done = Tool().run("status", DOCKER_HOST=f"tcp://127.0.0.1:{port}")
    assert done.returncode == 1
    assert f"no Docker engine answers at tcp://127.0.0.1:{port}: Connection refused" in done.stderr


def test_a_bad_docker_host_is_no_traceback() -> None:
    """What the SDK says of it is passed on."""
    done = Tool().run("status", DOCKER_HOST="nonsense://x")
    assert done.returncode == 1
    assert "no Docker engine answers at nonsense://x" in done.stderr


def test_an_engine_that_may_not_be_used_is_told_from_none() -> None:
    """No permission for the socket: the way out is the group, not to start Docker."""
    done = spoiled(
        "import socket\n"
        "def refuse(*_): raise PermissionError(13, 'Permission denied')\n"
        "socket.socket.connect = refuse\n"
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: you do not have permission to use the Docker engine (unix:///nonex")
    assert "sudo usermod -aG docker $USER" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["start", "--timeout", "0"],
        ["start", "--timeout", "nan"],
        ["start", "--timeout", "soon"],
        ["logs", "--tail", "-1"],
        ["start", "--", "x"],
        ["manage", "x"],
        ["test-unit", "--maxfail=1"],
        ["clean", "--ye"],
    ],
)
def test_wrong_usage_is_2(arguments: list[str]) -> None:
    """Nothing is started or removed by a line that is not understood in full."""
    done = Tool().run(*arguments, **NO_ENGINE)
    assert done.returncode == 2
    assert "usage: localstack.py" in done.stderr


@pytest.mark.parametrize("package", ["docker", "yaml", "botocore"])
def test_a_missing_package_is_told_with_its_pip_line(package: str) -> None:
    """Without a package that it needs, the tool says how to install it, with this very Python."""
    done = spoiled(f"sys.modules[{package!r}] = None\n")  # importing it now raises ModuleNotFoundError
    assert done.returncode == 1
    assert done.stderr == (
        f"error: the Python package {package} is missing\n"
        f"  what to do: {sys.executable} -m pip install 'docker>=7' PyYAML botocore\n"
    )


def test_a_port_in_use_is_told_with_its_holder() -> None:
    """The error names who holds it, and the variable that chooses another."""
    taken = engine.port_taken(Port("127.0.0.1", 4566, 4566), "the container other")
    assert str(taken) == (
        "error: port 4566 of 127.0.0.1 is taken by the container other\n"
        "  what to do: stop it, or choose another port: LOCALSTACK_PORT=4567"
    )
    assert "LOCALSTACK_PORT=1" in engine.port_taken(Port("127.0.0.1", 65535, 4566), "").way_out


@pytest.mark.parametrize(
    "explanation",
    [
        "driver failed programming external connectivity on endpoint x: Error starting userland proxy: "
        "listen tcp4 127.0.0.1:9: bind: address already in use",
        "driver failed programming connectivity: Bind for 127.0.0.1:9 failed: port is already allocated",
        "Ports are not available: exposing port TCP 127.0.0.1:9 -> 127.0.0.1:0: listen tcp: bind: in use",
    ],
)
def test_each_engine_s_words_for_a_taken_port_are_known(explanation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux engines with and without a proxy, and Docker Desktop."""
    monkeypatch.setattr(ports, "holder", lambda _client, _port: "")
    client = docker.DockerClient("tcp://127.0.0.1:9", version="1.41")  # told its version, it asks nothing
    error = engine.start_failure(APIError("x", explanation=explanation), client, Port("127.0.0.1", 9, 4566))
    client.close()
    assert str(error).startswith("error: port 9 of 127.0.0.1 is taken by a process that this user cannot see")


def test_any_other_refusal_is_passed_on() -> None:
    """In the engine's own words, on one line."""
    with pytest.raises(ToolError, match="the Docker engine failed: no space left"), engine.translating_errors():
        raise APIError("500", explanation="no space\n left")
    with pytest.raises(ToolError, match="the Docker engine failed: Read timed out"), engine.translating_errors():
        raise requests.ReadTimeout("Read timed out")
    with pytest.raises(ToolError, match="the Docker engine failed: odd"), engine.translating_errors():
        raise DockerException("odd")


def test_a_listening_socket_is_found_in_the_kernel_s_table() -> None:
    """Only rows in the state LISTEN count, and only those of the port, IPv4 and IPv6 alike."""
    table = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:11D6 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0\n"
        "   1: 0100007F:11D6 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0\n"
        "   2: 0100007F:11D7 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0\n"
        "   3: 00000000000000000000000000000000:11D6 0:0000 0A 0:0 00:0 0     0        0 444 1 0\n"
    )
    assert ports.listening(table, 4566) == {"111", "444"}


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux shows who holds a port")
def test_the_process_that_holds_a_port_is_named() -> None:
    """By its number and name, from what the kernel shows."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        holder = ports._process(server.getsockname()[1])
    assert holder == f"process {os.getpid()} ({Path('/proc/self/comm').read_text().strip()})"


def test_a_program_gets_the_test_account_and_no_other() -> None:
    """The user's own profile and session do not reach what runs on LocalStack; the rest does."""
    real = {"AWS_PROFILE": "prod", "AWS_SESSION_TOKEN": "t", "AWS_SECRET_ACCESS_KEY": "real", "HOME": "/h"}
    assert cli.managed_environment(real, "http://127.0.0.1:9") == {
        "HOME": "/h",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "PIPEMODELS_STORE": "http://127.0.0.1:9",
        "PIPEMODELS_LOCALSTACK_ENDPOINT": "http://127.0.0.1:9",
    }


def test_a_proxy_is_bypassed_for_this_machine() -> None:
    """Where a proxy is set, botocore would ask it for 127.0.0.1; what is bypassed already stays so."""
    proxied = {"HTTP_PROXY": "http://proxy", "no_proxy": "intern"}
    environment = cli.managed_environment(proxied, "http://127.0.0.1:9")
    assert environment["no_proxy"] == environment["NO_PROXY"] == "intern,127.0.0.1,localhost"


def test_nothing_that_answers_is_a_problem_and_no_exception() -> None:
    """A closed port, and something else than LocalStack, are told as what they are."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        found = health.check(f"http://127.0.0.1:{closed.getsockname()[1]}")
    assert found.problem.startswith("it does not answer yet")
    assert not found.hopeless
