"""The files that a path names, and texts that are long, deep or empty."""

from __future__ import annotations

import io
import json
import os
import socket
import time
import tracemalloc
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipemodels import ValidationError
from pipemodels.interop import apply_definitions, ingest_events
from pipemodels.interop.definitions.collecting import collect
from pipemodels.interop.definitions.spool import Spool
from pipemodels.interop.openlineage.events import is_event
from pipemodels.interop.reports import silent
from pipemodels.interop.text.files import Found, matching_files, same_file
from pipemodels.interop.text.jsontext import JSONSource, decoded
from pipemodels.interop.text.loosejson import LooseValues
from tests.helpers.moto_store import moto_store, requests

_YAML = frozenset({".yaml"})
_ENTRY = "  - {pipeline_id: a, pipeline_name: A, source_type: a, destination_type: b}\n"


@pytest.fixture(scope="module", autouse=True)
def _store() -> Iterator[None]:
    with moto_store():
        yield


def refused(file: Path, text: str) -> list[tuple[str, str]]:
    """Return place and reason of what is refused of a definition file."""
    file.write_text(text)
    with Spool[Any]() as spool:
        found = collect([file], spool, silent)
    return [(one.entry, one.problems[0].reason) for one in found.refused]


@pytest.mark.parametrize("empty", ["", " ", "\t\n"])
@pytest.mark.parametrize("use", [apply_definitions, ingest_events])
def test_an_empty_path_is_refused_before_anything_is_done(use: Any, empty: str, tmp_path: Path) -> None:
    """An empty path is refused, even in a list; then no path in the list is read."""
    good = tmp_path / "a.json"
    good.write_text('{"pipelines": [{"pipeline_id": "never"}]}')
    for paths in (empty, [str(good), empty]):
        with requests() as asked, pytest.raises(ValidationError) as caught:
            use(paths)
        ((position, value),) = [(one.field, one.value) for one in caught.value.problems]
        assert (position, value, asked) == (f"paths[{0 if paths == empty else 1}]", empty, [])
    with pytest.raises(ValidationError, match="must not contain a null character"):
        use(["a\0b"])


def test_a_directory_is_read_to_its_end_whatever_is_in_it(tmp_path: Path) -> None:
    """Links to files are followed, links to directories are not; other kinds of file are reported."""
    (tmp_path / "sub" / ".hidden").mkdir(parents=True)
    (tmp_path / "dir.yaml").mkdir()
    for name in ("a.yaml", "sub/b.YAML", "sub/.hidden/c.yaml", ".d.yaml", "e.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "sub" / "parent").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "link.yaml").symlink_to("a.yaml")
    (tmp_path / "gone.yaml").symlink_to("nowhere")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    os.mkfifo(tmp_path / "pipe.yaml")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "sock.yaml"))
        found = matching_files(tmp_path, _YAML)
        by_glob = matching_files(tmp_path / "**" / "*.yaml", _YAML)
    assert found.files == [tmp_path / name for name in ("a.yaml", "link.yaml", "sub/b.YAML")]
    assert found.problems == [
        (str(tmp_path / "gone.yaml"), "cannot be read: No such file or directory"),
        (str(tmp_path / "loop.yaml"), "cannot be read: Too many levels of symbolic links"),
        (str(tmp_path / "pipe.yaml"), "is a pipe, a socket or a device, not a file"),
        (str(tmp_path / "sock.yaml"), "is a pipe, a socket or a device, not a file"),
    ]
    assert by_glob.files == [tmp_path / name for name in ("a.yaml", "link.yaml")]
    assert by_glob.problems == found.problems


def test_a_directory_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What else is there is read."""
    (tmp_path / "closed").mkdir()
    (tmp_path / "a.yaml").write_text("")
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    reason = (str(tmp_path / "closed"), "cannot be read: Permission denied")
    assert matching_files(tmp_path, _YAML) == Found([tmp_path / "a.yaml"], [reason])


@pytest.mark.parametrize("name", ["x" * 5_000, "loop/x.yaml", "a.yaml/x.yaml"])
def test_a_path_that_cannot_be_there_is_refused(name: str, tmp_path: Path) -> None:
    """Too long, through a link to itself, below a file: a refusal with the system's reason, and no traceback."""
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "a.yaml").write_text("")
    assert [one.entry for one in apply_definitions([tmp_path / name]).refused] == ["file"]
    (refusal,) = ingest_events([tmp_path / name]).refused
    assert refusal.reason.startswith("cannot be read: ")


def test_a_file_is_read_once_however_many_names_it_has(tmp_path: Path) -> None:
    """Symbolic links, hard links and other spellings of the path."""
    one = tmp_path / "a.ndjson"
    one.write_text(json.dumps({"eventTime": 3}))
    (tmp_path / "b.ndjson").symlink_to(one)
    (tmp_path / "c.ndjson").hardlink_to(one)
    report = ingest_events([tmp_path, one, tmp_path / ".." / tmp_path.name / "a.ndjson"])
    assert len(report.refused) == 1
    assert same_file(tmp_path / "b.ndjson") == same_file(one)


def test_globs_with_stars_find_what_they_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`**` in any place, relative paths too; two links to where they are do not multiply."""
    for name in ("a.yaml", "x/b.yaml", "x/y/c.yaml", "x/y/d.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    for link in ("one", "two"):
        (tmp_path / "x" / link).symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    files = {
        pattern: matching_files(pattern, _YAML).files for pattern in ("**/*.yaml", "x/**/*.yaml", "x/**", "**/y/**/*")
    }
    assert files == {
        "**/*.yaml": [Path("a.yaml"), Path("x/b.yaml"), Path("x/y/c.yaml")],
        "x/**/*.yaml": [Path("x/b.yaml"), Path("x/y/c.yaml")],
        "x/**": [Path("x/b.yaml"), Path("x/y/c.yaml"), Path("x/y/d.txt")],
        "**/y/**/*": [Path("x/y/c.yaml"), Path("x/y/d.txt")],
    }


@pytest.mark.parametrize("deep", ["[", "{", "{a: ", "- ", "? ", "&a [", "[\n"])
@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
def test_yaml_is_not_read_on_behind_the_depth_limit(
    deep: str, loader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred thousand open brackets take no longer than two hundred, also in the middle of a good file."""
    monkeypatch.setattr(yaml, "CSafeLoader", getattr(yaml, loader))
    start = time.process_time()
    before = "" if deep in {"- ", "? "} else f"pipelines:\n{_ENTRY}  - "
    ((place, reason),) = refused(tmp_path / "a.yaml", f"{before}{deep * 100_000}\n{_ENTRY}")
    assert place.startswith("line ")
    assert "is nested too deeply: more than 200 levels (line" in reason
    assert time.process_time() - start < 5


def test_json_is_not_read_on_where_it_is_hopelessly_deep(tmp_path: Path) -> None:
    """Its end is not looked for; in events what follows is read from the next line on."""
    text = '{"pipelines": [' + "[" * 1_000_000
    expected = [("line 1", "is nested too deeply (line 1); nothing in this file was applied")]
    assert refused(tmp_path / "a.json", text) == expected
    events = io.BytesIO(b"[" * 1_000_000 + b'\n{"eventTime": 1}')
    found = [(one.line, one.reason) for one in LooseValues(JSONSource(events), 8 << 20, is_event)]
    assert found == [(1, "is nested too deeply"), (2, None)]


def test_a_text_without_an_end_is_looked_through_once() -> None:
    """To find how deep it is: time does not grow with the square of its escaped quotes."""
    text = b'{"' + b"[{" * 150 + b'\\"' * 1_000_000
    start = time.process_time()
    with pytest.raises(ValueError, match="is not valid JSON"):
        decoded(text)
    assert time.process_time() - start < 5


class _Made:
    """Bytes that are made as they are read: a start, many of one part, and an end."""

    def __init__(self, start: bytes, part: bytes, count: int, end: bytes) -> None:
        self._parts, self._buffer = [(start, 1), *[(part * 1_000, 1)] * (count // 1_000), (end, 1)], b""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""
        while len(self._buffer) < size and self._parts:
            self._buffer += self._parts.pop(0)[0]
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found


@pytest.mark.parametrize(
    ("start", "part", "line", "reasons"),
    [
        (b"", b" ", 1, [None]),
        (b"", b"\n", 40_000_001, [None]),
        (b"", b"\r\n", 40_000_001, [None]),
        (b"[", b"\n", 40_000_001, [None]),
        (b'{"a":\n"x\n', b"\n", 40_000_003, ["is not valid JSON: a string in it is not closed", None]),
        (b'{"a":\n', b"\n", 40_000_002, ["is incomplete: another value begins before its end", None]),
        (b"\0", b"\0", 1, ["is longer than 8,388,608 bytes"]),
    ],
)
def test_blanks_in_any_number_take_little_time_and_memory(
    start: bytes, part: bytes, line: int, reasons: list[str | None]
) -> None:
    """Forty million of them before an event, inside an array, in a value that goes on, and in one that is broken."""
    end = b'{"eventTime": 1}' + (b"]" if start == b"[" else b"")
    stream = _Made(start, part, 40_000_000, end)
    tracemalloc.start()
    began = time.process_time()
    found = list(LooseValues(JSONSource(stream), 8 << 20, is_event))
    seconds, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [one.reason for one in found] == reasons
    assert found[-1].line == line
    assert seconds < 20
    assert peak < 40 << 20


def test_an_error_in_a_value_tells_its_line_also_behind_blank_ones() -> None:
    """Blank lines inside a value count."""
    found = list(LooseValues(JSONSource(io.BytesIO(b'\n{\n\n \n"a": tru\n}\n')), 1_000, is_event))
    reason = "is not valid JSON: Expecting value (line 4 column 6 of the value)"
    assert [(one.line, one.reason) for one in found] == [(2, reason)]


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ("1: a, true: b", "and the key 1 of line 1 are equal in Python: put keys in quotes (line 1)"),
        ("true: a, 1: b", "and the key true of line 1 are equal in Python: put keys in quotes (line 1)"),
        ("1: a,\n 1.0: b", "and the key 1 of line 1 are equal in Python: put keys in quotes (line 2)"),
        ("~: a, null: b", "and the key ~ of line 1 are equal in Python: put keys in quotes (line 1)"),
        ("a: a,\n a: b", "appears twice in a mapping, first on line 1 (line 2)"),
    ],
)
def test_keys_that_clash_are_both_named(keys: str, reason: str, tmp_path: Path) -> None:
    """As the file has them, with their lines."""
    ((_, found),) = refused(tmp_path / "a.yaml", f"pipelines: [{{config: {{{keys}}}}}]")
    assert found == reason


def test_a_number_of_thousands_of_digits_is_refused_in_our_words(tmp_path: Path) -> None:
    """In a definition by DynamoDB's limit; in a facet it is passed over like any that is malformed."""
    digits = "1" * 5_000
    file = tmp_path / "a.json"
    entry = {"pipeline_id": "a", "pipeline_name": "A", "source_type": "a", "destination_type": "b"}
    file.write_text(
        json.dumps({"pipelines": [entry | {"cpu_cores": 0}]}).replace('"cpu_cores": 0', f'"cpu_cores": {digits}')
    )
    ((problem,),) = [one.problems for one in apply_definitions([file]).refused]
    assert problem.field == "cpu_cores"
    assert "limit" not in problem.reason
    assert decoded(f"[{digits}]".encode()) == [Decimal(digits)]
