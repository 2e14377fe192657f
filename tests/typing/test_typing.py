"""The public types, as mypy in strict mode sees them from outside; wrong use is an error there."""

from __future__ import annotations

from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).resolve().parents[2]

WRONG = {
    "import pipemodels\npipemodels.nothing": "attr-defined",
    "from pipemodels import queries\nqueries.get_pipeline(5)": "arg-type",
    "from pipemodels import queries\nqueries.get_pipeline('p').pipeline_nam": "attr-defined",
    "from pipemodels import queries\nqueries.find_pipeline('p').pipeline_name": "union-attr",
    "from pipemodels import queries\nname: int = queries.get_pipeline('p').pipeline_name": "assignment",
    "from pipemodels import queries\nqueries.runs_of_pipeline('p', since='2026')": "arg-type",
    "from pipemodels import queries\nqueries.active_pipelines().page('5')": "arg-type",
    "from pipemodels import commands\ncommands.update_pipeline('p', {})": "call-arg|misc",
    "from pipemodels import commands\ncommands.finish_run(pipeline_id='p')": "call-arg",
    "from pipemodels import commands\ncommands.fail_run(pipeline_id='p', run_id='r')": "call-arg",
    "from pipemodels import DynamoDBConfig\nDynamoDBConfig('key')": "call-arg|misc",
    "from pipemodels import DynamoDBConfig\nDynamoDBConfig().table_prefix = 'x'": "misc",
    "from pipemodels import StageInfo\nStageInfo(stage_name='s')": None,
    "from pipemodels import StageInfo\nStageInfo(stage='s')": "call-arg",
}  # fmt: skip


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a directory for what mypy remembers between the tests."""
    return str(tmp_path_factory.mktemp("mypy"))


def check(cache: str, path: Path) -> tuple[str, int]:
    """Run mypy on one file; return what it says and its exit code."""
    settings = ["--config-file", str(ROOT / "pyproject.toml"), "--strict", "--cache-dir", cache]
    out, errors, code = api.run([*settings, str(path)])
    assert errors == ""
    return out, code


def test_right_use_is_right(cache: str) -> None:
    """Every assertion on the public types holds."""
    out, code = check(cache, ROOT / "tests" / "typing" / "public_api.py")
    assert code == 0, out


def test_wrong_use_is_an_error(cache: str, tmp_path: Path) -> None:
    """Each wrong use is an error of its kind on its own line, and nothing else is."""
    lines: list[str] = []
    expected: dict[int, str | None] = {}
    for use, code in WRONG.items():
        lines += use.split("\n")
        expected[len(lines)] = code
    path = tmp_path / "wrong.py"
    path.write_text("\n".join(lines) + "\n")
    out, _ = check(cache, path)
    found = {int(line.split(":")[1]): line for line in out.splitlines() if ": error: " in line}
    wanted = {number for number, code in expected.items() if code}
    assert set(found) == wanted, out
    for number, line in found.items():
        codes = str(expected[number]).split("|")
        assert any(line.endswith(f"[{code}]") for code in codes), line
