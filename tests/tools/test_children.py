"""Running a program for the user: exit codes and signals are the program's."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from _localstack import children

from .running import ROOT, wait_until

# runs its arguments through the tool's own code, in a process that can be sent signals
RUNNER = f"""
import os, sys
sys.path.insert(0, {str(ROOT / "tools")!r})
from _localstack import children
children.GRACE_SECONDS = 0.5
try:
    with children.interruptible():
        sys.exit(children.run(sys.argv[1:], os.environ))
finally:
    print("after", flush=True)
"""


@contextmanager
def runner(program: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that runs a Python program through the tool, and says `after` when it has ended."""
    with subprocess.Popen(
        [sys.executable, "-c", RUNNER, sys.executable, "-uc", program],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:  # a test has failed, and must not wait for them
                os.killpg(process.pid, signal.SIGKILL)


def said(process: "subprocess.Popen[str]") -> str:
    """The next line of its output."""
    assert process.stdout
    return process.stdout.readline().strip()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -9 $$"], 137),
        (["sh", "-c", "kill -15 $$"], 143),
        (["no-such-program"], 127),
        ([os.devnull], 126),
        (["nul\0byte"], 126),
    ],
)
def test_the_exit_code_is_what_a_shell_would_say(arguments: list[str], code: int) -> None:
    """Its own code, 128 and the signal, 127 for not found, 126 for not to be run."""
    assert children.run(arguments, os.environ) == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_is_passed_on_and_what_follows_still_runs(number: signal.Signals) -> None:
    """The program gets the signal, its exit code is kept, and the tool's own ending is reached."""
    program = (
        "import signal, sys, time\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit(42))\n"
        "print('ready')\n"
        "while True: time.sleep(1)"
    )
    with runner(program) as process:
        assert said(process) == "ready"
        process.send_signal(number)
        assert process.wait(10) == 42
        assert said(process) == "after"


def test_a_program_that_does_not_heed_sigterm_is_killed() -> None:
    """After its grace it ends with 137, so that LocalStack is stopped in bounded time."""
    ignore = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready')\nwhile True: time.sleep(1)"
    with runner(ignore) as process:
        assert said(process) == "ready"
        process.terminate()
        assert process.wait(10) == 137
        assert said(process) == "after"


def test_a_program_may_go_on_after_an_interruption() -> None:
    """Ctrl-C belongs to the program: a shell or a debugger goes on, and is not killed for it."""
    program = (
        "import signal, time\n"
        "signal.signal(2, lambda *_: print('interrupted'))\n"
        "print('ready')\n"
        "time.sleep(1.0)\n"  # longer than the grace of the runner: what is shown is that it is not killed
        "raise SystemExit(5)"
    )
    with runner(program) as process:
        assert said(process) == "ready"
        process.send_signal(signal.SIGINT)
        assert said(process) == "interrupted"
        assert process.wait(10) == 5


def test_a_signal_raises_only_within() -> None:
    """`interruptible` gives back the handlers that it found."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(children.Interrupted) as caught, children.interruptible():
        os.kill(os.getpid(), signal.SIGTERM)
    assert caught.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_ignored_signal_stays_ignored() -> None:
    """Under nohup a hang-up is no order to end."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with children.interruptible():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_signals_count_for_nothing_while_stopping() -> None:
    """What has to be finished is not cut short."""
    with children.interruptible():
        with children.uninterrupted():
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(children.Interrupted):
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_before_the_program_runs_reaches_it() -> None:
    """Sent while the program is being started, it is passed on once there is one."""
    forwarder = children._Forwarder()
    forwarder(signal.SIGTERM, None)
    with subprocess.Popen(["sleep", "30"]) as child:
        assert forwarder.wait(child) == -signal.SIGTERM


def test_waiting_is_bounded() -> None:
    """The helper of these tests fails when what it waits for does not come."""
    with pytest.raises(AssertionError, match="not within 0 seconds: never"):
        wait_until(lambda: False, "never", seconds=0)
