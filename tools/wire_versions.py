"""Run tests/wire with the oldest and the newest botocore, urllib3, PynamoDB and msgspec that setup.cfg declares.

    python tools/wire_versions.py [oldest] [newest]

Each is installed into an environment of its own, `.venv-wire-oldest` and `.venv-wire-newest`, and both run at once.
The newest are those that the package index offers today: what fails there is a change of theirs, found before users
find it. Exit codes: 0 all pass; 1 some do not.
"""

import configparser
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("botocore", "urllib3", "pynamodb", "msgspec")
OTHERS = ("pendulum", "pytest", "pytest-timeout", "hypothesis", "moto[dynamodb]", "PyYAML", "typer", "rich")
_PYTEST = ("-m", "pytest", "tests/wire", "-q", "-p", "no:cacheprovider", "--hypothesis-profile", "brief")


def requirements(end: str) -> list[str]:
    """Return what to install: the lower ends of the ranges, or whatever is newest within them."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    declared = parser["options"]["install_requires"]
    found = []
    for package in PACKAGES:
        low, high = re.findall(rf"(?m)^{package}>=([\d.]+),<(\d+)$", declared)[0]
        found.append(f"{package}=={low}" if end == "oldest" else f"{package}>={low},<{high}")
    oldest = next(one.partition("==")[2] for one in found) if end == "oldest" else ""
    # boto3, which moto needs, has the version of its botocore: without this pip tries them all
    return [*found, f"boto3=={oldest}.0" if oldest else "boto3"]


def run(end: str) -> tuple[str, int, str]:
    """Install and test one end of the ranges; return its name, the exit code, and what was said."""
    start, directory = time.monotonic(), ROOT / f".venv-wire-{end}"
    python = directory / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
    for command in (
        [sys.executable, "-m", "venv", str(directory)],
        [*install, *requirements(end), *OTHERS],
        [str(python), "-m", "pip", "list", "--format", "freeze", "--disable-pip-version-check"],
        [str(python), *_PYTEST],
    ):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if "freeze" in command:
            installed = [line for line in done.stdout.splitlines() if line.partition("==")[0] in PACKAGES]
        if done.returncode:
            return end, done.returncode, done.stdout[-8000:] + done.stderr[-4000:]
    last = done.stdout.strip().splitlines()[-1]
    return end, 0, f"{', '.join(installed)}: {last} ({time.monotonic() - start:.0f} s in all)"


def main(ends: list[str]) -> int:
    """Run both ends, or those that are named."""
    with ThreadPoolExecutor() as threads:
        results = list(threads.map(run, ends or ["oldest", "newest"]))
    for end, code, said in results:
        print(f"{end}: {'passes' if not code else 'FAILS'}\n{said}")
    return int(any(code for _, code, _ in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
