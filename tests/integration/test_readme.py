"""The README tells the truth."""

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipemodels import commands, errors, queries

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


SAID = ["success\n", "1204\n"]
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize(("example", "says"), list(zip(EXAMPLES, SAID, strict=True)), ids=["first", "own"])
def test_the_examples_run_as_they_stand(example: str, says: str, tmp_path: Path) -> None:
    """Each example, copied into an empty directory, prints what its last comment says and nothing else."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, says, "")


@pytest.mark.parametrize("room", [commands, queries], ids=["commands", "queries"])
def test_every_command_and_query_is_in_its_table(room: object) -> None:
    """The README names each command and each query that returns items."""
    functions = {name for name in room.__all__ if name[0].islower()}  # type: ignore[attr-defined]  # of a module
    # "and for tables": said once for both
    left_out = {name for name in functions if f"`{name}`" not in README} - {"activate_tables", "deactivate_tables"}
    assert left_out - {"in_timezone"} == set()


def test_every_error_is_in_its_table() -> None:
    """The README names each error that a user may catch."""
    tree = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    ours = {name for name in tree if getattr(errors, name).__module__ == errors.__name__}
    assert {name for name in ours if f"`{name}`" not in README} == set()


def test_documents_that_the_readme_names_exist() -> None:
    """Each link to a file of the project leads to one."""
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_extra_that_brings_botocore_keeps_to_the_embedded_stores() -> None:
    """Moto alone would have an installer replace the version that ministack names by a newer one."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    brings = {name for name, needed in extras.items() if re.search(r"^(moto|boto)", needed, re.MULTILINE)}
    assert brings == {"test", "dev"}
    assert brings <= {name for name, needed in extras.items() if extras["local"].strip() in needed}
