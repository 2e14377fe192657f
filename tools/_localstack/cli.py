"""The command line of `tools/localstack.py`.

Exit codes: 0 done; 1 failed, or nothing was done; 2 wrong usage; `status` 3 not running, 4 unhealthy. `test*`
and `manage` return the exit code of the program that they run; their own failure is 125, as with `docker run`.
"""

import argparse
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _localstack import children
from _localstack.console import say
from _localstack.errors import ToolError

if TYPE_CHECKING:  # imports docker, which `test-unit` does not need
    from _localstack.lifecycle import LocalStack

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = ROOT / "docker-compose.localstack.yml"
ENDPOINT_VARIABLE = "PIPEMODELS_LOCALSTACK_ENDPOINT"
OWN_FAILURE = 125

# commands that pass the arguments after `--` to a program
_PASSING_ON = {"test", "test-unit", "test-all", "manage"}
_SUITES = {
    "test": ["tests/integration", "tests/property", "tests/survival", "--backend", "localstack"],
    "test-unit": ["tests/unit"],
    "test-all": ["tests", "--backend", "moto", "--backend", "embedded", "--backend", "localstack"],
}
# variables that would make a program use a real account
_REAL_ACCOUNT = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
_TEST_ACCOUNT = {
    **{"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"},
    **{"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"},
}


def main(argv: Sequence[str]) -> int:
    """Run a command and return its exit code; print every failure on standard error."""
    own, rest = _split(list(argv))
    parser = _parser()
    options = parser.parse_args(own)
    if rest and options.command not in _PASSING_ON:
        parser.error(f"{options.command} passes nothing on: {' '.join(rest)}")
    options.rest = rest
    try:
        with children.interruptible():
            code: int = options.run(options)
            return code
    except ToolError as error:
        say(str(error))
        return OWN_FAILURE if options.command in _PASSING_ON else 1
    except children.Interrupted as interrupted:
        say("interrupted; what is there now: `status`")
        return interrupted.exit_code
    except BrokenPipeError:  # the reader closed the pipe; without this, Python would print an error at its exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in argv:
        return argv, []
    at = argv.index("--")
    return argv[:at], argv[at + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="localstack.py",
        description=f"Run LocalStack in Docker, for tests, as {COMPOSE_FILE.name} describes it.",
        epilog="See docs/localstack.md.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        command.set_defaults(run=run)
        return command

    start = add("start", _start, "start LocalStack unless it runs, wait for DynamoDB, print the endpoint")
    add("stop", _stop, "stop LocalStack; keep container and volume")
    restart = add("restart", _restart, "stop, then start")
    status = add("status", _status, "print the state; exit code 0 healthy, 3 not running, 4 unhealthy")
    status.add_argument("--json", action="store_true", help="print JSON, for scripts")
    logs = add("logs", _logs, "print the log of the container")
    logs.add_argument("--tail", type=_count, metavar="N", help="print only the last N lines")
    logs.add_argument("--follow", "-f", action="store_true", help="continue until LocalStack stops, or Ctrl-C")
    clean = add("clean", _clean, "remove this project's container and volume, and nothing else")
    clean.add_argument("--yes", "-y", action="store_true", help="do not ask")
    tests = [
        add("test", _test, "run the integration, property and survival tests on LocalStack; leave it running"),
        add("test-unit", _test, "run the unit tests, without Docker"),
        add("test-all", _test, "run all tests, on every back end"),
    ]
    manage = add("manage", _manage, "run CMD (after --) with LocalStack; stop LocalStack if this call started it")
    for command in (start, restart, tests[0], tests[2], manage):
        command.add_argument(
            "--timeout", type=_seconds, default=120.0, metavar="S", help="seconds for each wait (120)"
        )
    for command in tests:
        command.usage = f"localstack.py {command.prog.split()[-1]} [-h] [-v] [-k PATTERN] [-- PYTEST-ARGUMENT …]"
        command.add_argument("-v", dest="verbose", action="count", default=0, help="passed on to pytest")
        command.add_argument("-k", dest="pattern", help="passed on to pytest")
    manage.usage = "localstack.py manage [-h] [--timeout S] [-- CMD …]"
    return parser


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"not a whole number: {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError(f"not a number of seconds above 0: {text!r}")
    return seconds


def _start(options: argparse.Namespace) -> int:
    with ExitStack() as stack:
        print(_localstack(stack).start(options.timeout))
    return 0


def _stop(_options: argparse.Namespace) -> int:
    with ExitStack() as stack:
        say("stopped" if _localstack(stack).stop() else "it was not running")
    return 0


def _restart(options: argparse.Namespace) -> int:
    with ExitStack() as stack:
        localstack = _localstack(stack)
        localstack.stop()
        print(localstack.start(options.timeout))
    return 0


def _status(options: argparse.Namespace) -> int:
    with ExitStack() as stack:
        found = _localstack(stack).status()
    print(json.dumps(found) if options.json else _status_text(found))
    if found["healthy"]:
        return 0
    return 4 if found["endpoint"] else 3


def _status_text(found: Mapping[str, Any]) -> str:
    lines = {"container": f"{found['container']} ({found['state']})"}
    if found["endpoint"]:
        lines["health"] = "healthy" if found["healthy"] else f"unhealthy: {found['problem']}"
        lines["version"] = f"{found['version'] or 'unknown'} ({found['edition'] or 'unknown'})"
        lines["endpoint"] = found["endpoint"]
        lines["uptime"] = str(timedelta(seconds=found["uptime_seconds"]))
    return "\n".join(f"{name:<10} {value}" for name, value in lines.items())


def _logs(options: argparse.Namespace) -> int:
    with ExitStack() as stack:
        for chunk in _localstack(stack).logs("all" if options.tail is None else options.tail, options.follow):
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
    return 0


def _clean(options: argparse.Namespace) -> int:
    with ExitStack() as stack:
        localstack = _localstack(stack)
        containers, volumes = localstack.owned()
        names = [f"container {each.name}" for each in containers] + [f"volume {each.name}" for each in volumes]
        if not names:
            say("nothing to remove")
            return 0
        if not options.yes and not _agreed(f"remove {', '.join(names)}, with all data?"):
            say("nothing removed")
            return 1
        localstack.clean()
        say(f"removed {', '.join(names)}")
    return 0


def _agreed(question: str) -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        raise ToolError(f"no terminal to ask at: {question}", "say --yes")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _test(options: argparse.Namespace) -> int:
    environment = dict(os.environ)
    if options.command != "test-unit":
        with ExitStack() as stack:
            endpoint = _localstack(stack).start(options.timeout)
        environment = _reaching_loopback(environment) | {ENDPOINT_VARIABLE: endpoint}
    arguments = [sys.executable, "-m", "pytest", *_SUITES[options.command], *_pytest_options(options)]
    code = children.run(arguments, environment, cwd=str(ROOT))
    if options.command != "test-unit":
        say("LocalStack is left running: `stop` ends it")
    return code


def _pytest_options(options: argparse.Namespace) -> list[str]:
    verbose = ["-" + "v" * options.verbose] if options.verbose else []
    pattern = ["-k", options.pattern] if options.pattern is not None else []
    return [*verbose, *pattern, *options.rest]


def _manage(options: argparse.Namespace) -> int:
    with ExitStack() as stack:
        localstack = _localstack(stack)
        stack.callback(_stop_if_started_here, localstack)
        endpoint = localstack.start(options.timeout)
        if not options.rest:
            return _wait_for_the_user(localstack, endpoint)
        return children.run(options.rest, managed_environment(os.environ, endpoint))


def _stop_if_started_here(localstack: "LocalStack") -> None:
    if localstack.started_here:
        with children.uninterrupted():
            say("stopping LocalStack")
            localstack.stop()


def _wait_for_the_user(localstack: "LocalStack", endpoint: str) -> int:
    try:
        say(f"LocalStack is up until Ctrl-C. In another terminal:\n  export PIPEMODELS_STORE={endpoint}")
        for name, value in _TEST_ACCOUNT.items():
            say(f"  export {name}={value}")
        while localstack.is_running():
            threading.Event().wait(2.0)
    except children.Interrupted as interrupted:
        # Ctrl-C is the normal end; other signals keep their exit code
        return 0 if interrupted.exit_code == 130 else interrupted.exit_code
    raise ToolError("LocalStack has been stopped from elsewhere", "see `logs`")


def managed_environment(environment: Mapping[str, str], endpoint: str) -> dict[str, str]:
    """Return the environment of a program that uses LocalStack, with test credentials only."""
    kept = {name: value for name, value in environment.items() if name not in _REAL_ACCOUNT}
    return _reaching_loopback(kept) | _TEST_ACCOUNT | {"PIPEMODELS_STORE": endpoint, ENDPOINT_VARIABLE: endpoint}


def _reaching_loopback(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without a proxy for this machine, which botocore would use for 127.0.0.1."""
    if not any(name.lower() in ("http_proxy", "all_proxy") for name in environment):
        return dict(environment)
    bypass = environment.get("no_proxy") or environment.get("NO_PROXY")
    value = ",".join(filter(None, [bypass, "127.0.0.1,localhost"]))
    return {**environment, "NO_PROXY": value, "no_proxy": value}


def _localstack(stack: ExitStack) -> "LocalStack":
    """Return the handle of the container; within the stack, errors of the engine become ToolErrors."""
    try:
        from _localstack import compose, engine, lifecycle
    except ModuleNotFoundError as error:
        raise ToolError(
            f"the Python package {(error.name or '').partition('.')[0]} is missing",
            f"{sys.executable} -m pip install 'docker>=7' PyYAML botocore",
        ) from error
    service = compose.load(COMPOSE_FILE, os.environ)
    stack.enter_context(engine.translating_errors())
    client = engine.connect()
    stack.callback(client.close)
    return lifecycle.LocalStack(client, service)
