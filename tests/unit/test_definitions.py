"""Definition files, applied to a store."""

from __future__ import annotations

import itertools
import json
import sys
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import pipemodels
from pipemodels import (
    PipelineConfig,
    TableConfig,
    TableMissingError,
    ValidationError,
    commands,
    current_config,
    parse_instant,
    queries,
    using,
)
from pipemodels.connections import connection_of
from pipemodels.interop.definitions import ApplyReport, FieldChange, apply_definitions
from pipemodels.interop.definitions import applying as definitions
from pipemodels.interop.definitions.entries import read_entries
from pipemodels.interop.definitions.kinds import KINDS, Kind
from pipemodels.models.stamped import stored_fields
from pipemodels.storage.batch_reads import stored_items
from tests.helpers.moto_store import moto_store, requests

EXAMPLES = Path(pipemodels.__file__).parent / "examples"
_fresh = itertools.count()
_WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"}


@pytest.fixture(scope="module", autouse=True)
def _store() -> Iterator[None]:
    with moto_store():
        yield


def new_id() -> str:
    """Return an id that no other test uses."""
    return f"orders_{next(_fresh)}"


def pipeline(pipeline_id: str, **more: Any) -> dict[str, Any]:
    """Return a minimal pipeline definition with extra fields."""
    least = {"pipeline_name": "Orders", "source_type": "s3", "destination_type": "iceberg"}
    return {"pipeline_id": pipeline_id, **least, **more}


def table(table_id: str, **more: Any) -> dict[str, Any]:
    """Return a minimal table definition with extra fields."""
    least = {"pipeline_id": "orders", "table_name": "orders", "table_type": "source"}
    return {"table_id": table_id, **least, "data_format": "csv", "location": "s3://shop/orders", **more}


def apply(directory: Path, *pipelines: dict[str, Any], tables: Any = (), **settings: Any) -> ApplyReport:
    """Apply definitions as one file."""
    file = directory / "definitions.json"
    file.write_text(json.dumps({"pipelines": list(pipelines), "tables": list(tables)}))
    return apply_definitions([file], **settings)


def apply_text(directory: Path, text: str, name: str = "definitions.yaml") -> ApplyReport:
    """Apply a text as one file."""
    file = directory / name
    file.write_text(text, encoding="utf-8")
    return apply_definitions([file])


def reasons(report: ApplyReport) -> list[tuple[str, str]]:
    """Return field and reason of every problem."""
    return [(problem.field, problem.reason) for one in report.refused for problem in one.problems]


EVERY_FIELD = """
pipelines:
  - pipeline_id: {id}
    pipeline_name: Orders
    description: Yesterday's orders
    config: {{limits: [1, 2.50, true, null], note: "no"}}
    source_type: postgres
    source_config: {{host: db}}
    destination_type: iceberg
    destination_config: {{table: orders}}
    schedule_expression: 0 6 * * 1-5
    is_active: false
    environment: prod
    version: 1.4.0
    spark_config: {{executors: 4}}
    cpu_cores: 8
    memory_gb: 4.50
    tags: {{team: data}}
    max_concurrent_runs: 2
    max_attempts: 3
tables:
  - table_id: {id}
    pipeline_id: {id}
    table_name: orders
    table_type: destination
    data_format: iceberg
    schema_definition: {{columns: [{{name: id, type: bigint}}]}}
    partition_columns: [day]
    primary_key_columns: [id]
    location: s3://lake/orders
    connection_config: {{secret: x}}
    read_options: {{a: 1}}
    write_options: {{b: 2}}
    validation_rules: {{minimum: 1}}
    data_quality_checks: [{{check: unique}}]
    caching_enabled: true
    cache_level: memory
    retention_days: 30
    archive_after_days: 7
    environment: prod
    is_active: true
    description: All orders
    tags: {{tier: gold}}
    last_updated_data: 2026-01-02T03:04:05+01:00
    record_count: 10
    size_bytes: 2048
"""


def test_every_field_of_a_pipeline_and_a_table_may_be_defined(tmp_path: Path) -> None:
    """A definition may hold every field that is not the package's own, and each is stored as it is written."""
    own = new_id()
    report = apply_text(tmp_path, EVERY_FIELD.format(id=own))
    assert (report.created, report.refused) == ([own, own], [])
    there = queries.get_pipeline(own)
    assert {name for name in KINDS["pipelines"].fields if getattr(there, name) is None} == set()
    assert there.config == {"limits": [1, Decimal("2.5"), True, None], "note": "no"}
    assert (there.memory_gb, there.is_active, there.version) == (Decimal("4.5"), False, "1.4.0")
    stored = queries.get_table(own)
    assert {name for name in KINDS["tables"].fields if getattr(stored, name) is None} == set()
    assert stored.last_updated_data == parse_instant("2026-01-02T02:04:05Z")


def test_applying_twice_changes_nothing_and_writes_nothing(tmp_path: Path) -> None:
    """The second time every entry is unchanged, no write is sent and the stored items are the same."""
    own = new_id()
    apply_text(tmp_path, EVERY_FIELD.format(id=own))
    before = stored_fields(queries.get_pipeline(own)), stored_fields(queries.get_table(own))
    with requests() as asked:
        report = apply_definitions([tmp_path])
    assert (report.created, report.updated, report.unchanged, report.changes) == ([], [], [own, own], {})
    assert set(asked) == {"BatchGetItem"}
    assert (stored_fields(queries.get_pipeline(own)), stored_fields(queries.get_table(own))) == before


def test_a_changed_field_is_one_update_of_that_field(tmp_path: Path) -> None:
    """One UpdateItem sets the field, counts the revision once and leaves everything else."""
    own = new_id()
    apply(tmp_path, pipeline(own, cpu_cores=2, tags={"team": "data"}))
    before = stored_fields(queries.get_pipeline(own))
    with requests() as asked:
        report = apply(tmp_path, pipeline(own, cpu_cores=4, tags={"team": "data"}), by="ci")
    after = stored_fields(queries.get_pipeline(own))
    assert [name for name in asked if name in _WRITES] == ["UpdateItem"]
    assert (report.updated, report.changes) == ([own], {own: [FieldChange("cpu_cores", 2, 4)]})
    changed = {"cpu_cores": 4, "revision": 2, "updated_by": "ci", "updated_at": after["updated_at"]}
    assert after == before | changed


def test_a_flag_that_becomes_a_number_is_a_change(tmp_path: Path) -> None:
    """In a document true and 1 differ, although they are equal to Python."""
    own = new_id()
    apply(tmp_path, pipeline(own, config={"limit": True}))
    assert apply(tmp_path, pipeline(own, config={"limit": 1})).updated == [own]
    assert queries.get_pipeline(own).config["limit"] is not True


def test_a_field_that_is_removed_is_cleared(tmp_path: Path) -> None:
    """A field that the definition does not name is cleared; a version is reset to its default."""
    own = new_id()
    apply(tmp_path, pipeline(own, description="old", cpu_cores=2, version="2.0.0"))
    report = apply(tmp_path, pipeline(own))
    assert {change.field for change in report.changes[own]} == {"description", "cpu_cores", "version"}
    there = stored_fields(queries.get_pipeline(own))
    assert {"description", "cpu_cores"}.isdisjoint(there)
    assert (there["version"], there["revision"]) == ("1.0.0", 2)


def test_what_others_fill_stays_where_it_is_not_named(tmp_path: Path) -> None:
    """Activation, environment and a table's statistics keep their values if a definition does not name them."""
    own = new_id()
    apply(tmp_path, pipeline(own, environment="prod"), tables=[table(own)])
    commands.deactivate_pipelines([own])
    commands.record_table_statistics(table_id=own, record_count=5, size_bytes=6)
    report = apply(tmp_path, pipeline(own), tables=[table(own)])
    assert report.unchanged == [own, own]
    assert (queries.get_pipeline(own).is_active, queries.get_pipeline(own).environment) == (False, "prod")
    assert (queries.get_table(own).record_count, queries.get_table(own).size_bytes) == (5, 6)


def test_null_clears_what_others_fill_and_leaves_a_default_alone(tmp_path: Path) -> None:
    """A null clears the environment; a null for is_active is ignored, because that field is never empty."""
    own = new_id()
    apply(tmp_path, pipeline(own, environment="prod", is_active=False))
    report = apply(tmp_path, pipeline(own, environment=None, is_active=None))
    assert report.changes == {own: [FieldChange("environment", "prod", None)]}
    assert queries.get_pipeline(own).is_active is False


def test_a_dry_run_writes_nothing_and_shows_each_difference(tmp_path: Path) -> None:
    """A dry run reports all fields of items to be created, and the differing fields of items to be updated."""
    old, new = new_id(), new_id()
    apply(tmp_path, pipeline(old, cpu_cores=2))
    before = stored_fields(queries.get_pipeline(old))
    with requests() as asked:
        report = apply(tmp_path, pipeline(old, cpu_cores=4), pipeline(new), dry_run=True)
    assert not _WRITES & set(asked)
    assert (report.created, report.updated) == ([new], [old])
    assert report.changes[old] == [FieldChange("cpu_cores", 2, 4)]
    assert FieldChange("pipeline_name", None, "Orders") in report.changes[new]
    assert stored_fields(queries.get_pipeline(old)) == before
    assert queries.find_pipeline(new) is None


def test_good_entries_are_applied_and_bad_ones_refused_with_every_problem(tmp_path: Path) -> None:
    """An entry is refused with its file, its place and all its problems; the others are applied."""
    good, bad = new_id(), new_id()
    report = apply(tmp_path, pipeline(bad, cpu_core=4, version="one", revision=3), pipeline(good))
    assert report.created == [good]
    (refused,) = report.refused
    assert refused.file == str(tmp_path / "definitions.json")
    assert refused.entry == f"pipelines[0] {bad} (line 1)"
    assert reasons(report) == [
        ("cpu_core", "is not a field; did you mean cpu_cores?"),
        ("revision", "is set by the package"),
        ("version", "is not a semantic version, e.g. 1.4.0"),
    ]
    assert queries.find_pipeline(bad) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.10", Decimal("1.1")),
        ("1e3", 1000),
        ("0x1F", 31),
        ("0o17", 15),
        ("-12", -12),
        ("0.1234567890123456789012345678901234567", Decimal("0.1234567890123456789012345678901234567")),
        ("no", "no"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("2026-01-01 00:00:00", "2026-01-01 00:00:00"),
        ("007", "007"),
        ("'1.10'", "1.10"),
        ("!!str 1", "1"),
        ("! 1", "1"),
        ("!!int 1", 1),
        ("~", None),
        ("True", True),
        ("1_000", "1_000"),
        ("=", "="),
    ],
)
def test_yaml_scalars_mean_what_the_core_schema_says(tmp_path: Path, text: str, value: object) -> None:
    """Numbers are exact and never floats; values that only look like a flag, a time, a date or a number are text."""
    file = tmp_path / "a.yaml"
    file.write_text(f"pipelines: [{{config: {{it: {text}}}}}]")
    (entry,) = read_entries(file)
    found = entry.values["config"]["it"]
    assert found == value
    assert isinstance(found, bool) == isinstance(value, bool)
    assert not isinstance(found, float)


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        ("config", "{it: .inf}", "is not a finite number"),
        ("config", "{it: .nan}", "is not a finite number"),
        ("config", "{it: 1e9999999999999999999999}", "is not a finite number"),
        ("config", f"{{it: {'1' * 39}}}", "has 39 significant digits; DynamoDB stores 38"),
        ("config", f"{{it: {'1' * 5000}}}", "has 5000 significant digits; DynamoDB stores 38"),
        ("config", "{1: a}", "must be text, not int"),
        ("config", "[1]", "must be a mapping (dict)"),
        ("cpu_cores", "1.5", "must be a whole number"),
        ("version", "1.0", "must be text, not Decimal"),
        ("is_active", "yes", "must be True or False"),
        ("schedule_expression", "daily", "is not a valid schedule"),
        ("tags", "{tier: 1}", "must be text"),
    ],
)
def test_a_value_that_cannot_be_stored_is_refused(tmp_path: Path, field: str, text: str, reason: str) -> None:
    """A value that DynamoDB or a field does not accept is refused with field and reason; nothing is stored."""
    own = new_id()
    least = "pipeline_name: a, source_type: b, destination_type: c"
    report = apply_text(tmp_path, f"pipelines: [{{pipeline_id: {own}, {least}, {field}: {text}}}]")
    ((found_field, found_reason),) = reasons(report)
    assert found_field.startswith(field)
    assert found_reason.startswith(reason)
    assert queries.find_pipeline(own) is None


def test_an_instant_without_an_offset_is_refused_with_its_value(tmp_path: Path) -> None:
    """A YAML time without a zone is not an instant; the refusal names the field and shows the value."""
    own = new_id()
    report = apply(tmp_path, tables=[table(own, last_updated_data="2026-01-02 03:04:05")])
    (problem,) = report.refused[0].problems
    assert (problem.field, problem.value) == ("last_updated_data", "2026-01-02 03:04:05")
    assert "RFC 3339" in problem.reason


def test_an_item_over_400_kb_is_refused_with_its_largest_fields(tmp_path: Path) -> None:
    """An entry that no item could hold is refused before any request."""
    own = new_id()
    report = apply(tmp_path, pipeline(own, description="x" * 500_000))
    assert "its largest fields: description" in report.refused[0].problems[0].reason


BOMB = "pipelines:\n  - pipeline_id: bomb\n    config:\n      a: &a [" + ", ".join(["xxxxxxxxxx"] * 10) + "]\n"
for _name, _next in itertools.pairwise("abcdefghi"):
    BOMB += f"      {_next}: &{_next} [" + ", ".join([f"*{_name}"] * 10) + "]\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("pipelines: [{pipeline_id: a, pipeline_id: b}]", "appears twice in a mapping (line 1)"),
        ("pipelines: [{config: {a: {b: 1, b: 2}}}]", "appears twice in a mapping (line 1)"),
        (BOMB, "is too large with its aliases expanded"),
        ("pipelines: [{config: &a {b: *a}}]", "does not name a complete anchor before it"),
        ("pipelines: [{config: *a}]", "does not name a complete anchor"),
        ("pipelines: [!!python/object/apply:os.system [ls]]", "is not allowed: only plain values are"),
        ("pipelines: [{config: !!binary aGk=}]", "is not allowed for 'aGk=': only plain values are"),
        ("pipelines: [{cpu_cores: !!int true}]", "is not allowed for 'true': only plain values are"),
        ("pipelines: [{is_active: !!bool 1}]", "is not allowed for '1': only plain values are"),
        ("pipelines: [{config: {<<: 3}}]", "must name a mapping"),
        ("pipelines: [{config: {[1]: 3}}]", "a key must be text"),
        ("pipelines: [{config: " + "[" * 100 + "]" * 100 + "}]", "is deeper than 64 levels"),
        ("pipelines: [3]", "must be a mapping of field names to values"),
        ("pipelines: {a: 1}", "must be a list"),
        ("pipelnes: []", "is not a section of a definition; did you mean pipelines?"),
        ("- 1", "must be a mapping with pipelines: and tables:"),
        ("text", "must be a mapping with pipelines: and tables:"),
    ],
)
def test_yaml_that_no_definition_may_hold_is_refused_and_the_rest_applied(
    tmp_path: Path, text: str, reason: str
) -> None:
    """Duplicate keys, alias bombs, objects, and non-mappings are refused; the next document is applied."""
    own = new_id()
    least = "pipeline_name: a, source_type: b, destination_type: c"
    report = apply_text(tmp_path, f"{text}\n---\npipelines: [{{pipeline_id: {own}, {least}}}]")
    ((_, found),) = reasons(report)
    assert reason in found
    assert report.created == [own]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.yaml", "pipelines:\n  - {entry}\n  - {{pipeline_id: [}}\n", 3),
        ("a.yaml", "pipelines:\n  - {entry}\ntables: []\npipelines: []\n", 4),
        ("a.yaml", "pipelines:\n  - {entry}\n\t- x\n", 3),
        ("a.json", '{{"pipelines": [{entry}\n', 2),
        ("a.json", '{{"pipelines": [{entry},\n}}', 2),
        ("a.json", '{{"pipelines": [{entry}]\n"tables"}}', 2),
        ("a.json", '{{"pipelines": [{entry}],\n"pipelines": []}}', 2),
        ("a.json", '{{"pipelines": [{entry}],\n3: []}}', 2),
        ("a.json", '{{"pipelines": [{entry}],\n3 : []}}', 2),
        ("a.json", '{{"pipelines": [{entry}],\n[3]: []}}', 2),
        ("a.json", '{{"pipelines"\n; [{entry}]}}', 2),
        ("a.json", '{{"pipelines": [{entry}]\n; "tables": []}}', 2),
    ],
)
def test_a_file_that_is_broken_is_refused_whole(tmp_path: Path, name: str, text: str, line: int) -> None:
    """A file that is not valid YAML or JSON is not applied, and its line is named; other files are applied."""
    inside, other = new_id(), new_id()
    (tmp_path / name).write_text(text.format(entry=json.dumps(pipeline(inside))))
    (tmp_path / "other.json").write_text(json.dumps({"pipelines": [pipeline(other)]}))
    report = apply_definitions([tmp_path])
    assert report.created == [other]
    assert [(one.file, one.entry) for one in report.refused] == [(str(tmp_path / name), f"line {line}")]
    assert queries.find_pipeline(inside) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "a": 2}', "has the key 'a' twice"),
        ('{"a": tru}', "is not valid JSON"),
        ("[" * 2000 + "]" * 2000, "is nested too deeply"),
        ('{"a": 1e99999999999999999999}', "number that is out of range"),
        ('"' + "x" * (5 << 20) + '"', "more than 4,194,304 bytes"),
        ('"\udcff"', "is not UTF-8"),
    ],
)
def test_a_json_entry_that_is_broken_in_itself_is_refused_alone(tmp_path: Path, text: str, reason: str) -> None:
    """An invalid entry whose brackets close is refused by itself; the entries around it are applied."""
    before, after = new_id(), new_id()
    file = tmp_path / "a.json"
    whole = f'{{"pipelines": [{json.dumps(pipeline(before))}, {text},\n{json.dumps(pipeline(after))}]}}'
    file.write_bytes(whole.encode(errors="surrogateescape"))
    report = apply_definitions([file])
    assert report.created == [before, after]
    assert reason in report.refused[0].problems[0].reason


def test_json_is_read_as_json(tmp_path: Path) -> None:
    """Escaped characters beyond the 16-bit plane, which YAML refuses, and a byte order mark are read."""
    own = new_id()
    text = json.dumps({"pipelines": [pipeline(own, description="Käse 🧀\t\\", memory_gb=0.5)]})
    assert "\\ud83e" in text
    assert apply_text(tmp_path, f"\ufeff{text}", "a.JSON").created == [own]
    assert queries.get_pipeline(own).description == "Käse 🧀\t\\"


def test_two_entries_with_one_id_are_both_refused_naming_both_places(tmp_path: Path) -> None:
    """Entries that share an id are all refused, whichever files they are in; a table may share a pipeline's id."""
    own = new_id()
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    first.write_text(json.dumps({"pipelines": [pipeline(own)], "tables": [table(own)]}))
    second.write_text(json.dumps({"pipelines": [pipeline(new_id()), pipeline(own, cpu_cores=2)]}))
    report = apply_definitions([tmp_path])
    assert queries.find_pipeline(own) is None
    assert queries.get_table(own).table_name == "orders"
    assert [(one.file, one.entry) for one in report.refused] == [
        (str(first), f"pipelines[0] {own} (line 1)"),
        (str(second), f"pipelines[1] {own} (line 1)"),
    ]
    reason = report.refused[0].problems[0].reason
    assert reason == f"is defined more than once: here and in {second}: pipelines[1] {own} (line 1)"


@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
def test_a_refused_entry_is_named_by_its_place(name: str, tmp_path: Path) -> None:
    """A refusal names the number of the entry in its section, its id if it has one, and its first line."""
    ids = [new_id() for _ in range(3)]
    entries = [pipeline(ids[0]), 3, pipeline(ids[1], cpu_cores=0), pipeline(ids[2])]
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    report = apply_text(tmp_path, f'{{"pipelines": [\n{lines}]}}', name)
    assert [one.entry for one in report.refused] == ["pipelines[1] (line 3)", f"pipelines[2] {ids[1]} (line 4)"]
    assert report.created == [ids[0], ids[2]]
    over_lines = json.dumps({"pipelines": [pipeline(ids[0]), 3]}, indent=1)
    assert over_lines.splitlines()[8] == "  3"
    assert [one.entry for one in apply_text(tmp_path, over_lines, name).refused] == ["pipelines[1] (line 9)"]


def test_an_entry_that_is_there_three_times_names_both_others(tmp_path: Path) -> None:
    """A refusal names all places of a repeated id."""
    own = new_id()
    report = apply(tmp_path, pipeline(own), pipeline(own), pipeline(own))
    file = tmp_path / "definitions.json"
    places = [f"{file}: pipelines[{position}] {own} (line 1)" for position in range(3)]
    others = [" and ".join(places[:n] + places[n + 1 :]) for n in range(3)]
    assert reasons(report) == [("pipeline_id", f"is defined more than once: here and in {other}") for other in others]


def test_missing_tables_are_told_as_such(tmp_path: Path) -> None:
    """With the command that creates them, and not as an error of the library below."""
    with using(replace(current_config(), table_prefix="missing.")), pytest.raises(TableMissingError):
        apply(tmp_path, pipeline(new_id()))


def test_a_key_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    """DynamoDB, and no stand-in, refuses a request that names a key twice."""
    own, other = new_id(), new_id()
    apply(tmp_path, pipeline(own))
    asked: list[str] = []

    def note(params: Any, **_: Any) -> None:
        (table,) = params["RequestItems"].values()
        asked.extend(key["pipeline_id"]["S"] for key in table["Keys"])

    events = connection_of(current_config()).client.meta.events
    events.register("before-parameter-build.dynamodb.BatchGetItem", note)
    found = stored_items(PipelineConfig, [(own,), (other,), (own,)])
    events.unregister("before-parameter-build.dynamodb.BatchGetItem", note)
    assert sorted(asked) == [own, other]
    assert found == {(own,): queries.get_pipeline(own)}
    assert stored_items(PipelineConfig, []) == {}


def test_documents_globs_and_directories_are_read_and_each_file_once(tmp_path: Path) -> None:
    """Several documents, a glob, a directory's files of all three endings; a file that is named twice counts once."""
    ids = [new_id() for _ in range(4)]
    texts = [json.dumps({"pipelines": [pipeline(one)]}) for one in ids]
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / ".hidden").mkdir()
    (tmp_path / "a.yml").write_text(f"{texts[0]}\n---\n# nothing\n---\n{texts[1]}\n")
    (tmp_path / "deep" / "b.json").write_text(texts[2])
    (tmp_path / "deep" / "er" / "c.yaml").write_text(texts[3])
    (tmp_path / "deep" / "notes.txt").write_text("not read")
    (tmp_path / "deep" / ".hidden" / "d.yaml").write_text("not: read")
    report = apply_definitions([tmp_path / "*.yml", tmp_path / "deep", str(tmp_path / "**" / "*.json")])
    assert (report.created, report.refused) == (ids, [])


def test_a_single_path_is_one_path(tmp_path: Path) -> None:
    """A single string counts as one path."""
    (tmp_path / "a.yaml").write_text("")
    assert apply_definitions(str(tmp_path / "a.yaml")) == ApplyReport()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.yaml", "cannot be read: No such file or directory"),
        ("*.yaml", "matches no file"),
        ("empty", "is a directory without a .json, .yaml, .yml file"),
    ],
)
def test_a_path_that_means_no_file_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    """A missing file, a glob without a match and an empty directory are refused, and hold nothing up."""
    own = new_id()
    (tmp_path / "empty").mkdir()
    (tmp_path / "good.json").write_text(json.dumps({"pipelines": [pipeline(own)]}))
    report = apply_definitions([tmp_path / name, tmp_path / "good.json"])
    assert [(one.entry, one.problems[0].reason) for one in report.refused] == [("file", reason)]
    assert report.created == [own]


def test_a_file_whose_name_looks_like_a_glob_is_taken_as_it_is(tmp_path: Path) -> None:
    """And one that is not there is a glob, which matches another."""
    ids = [new_id(), new_id()]
    for name, own in zip(("a[1].json", "b1.json"), ids, strict=True):
        (tmp_path / name).write_text(json.dumps({"pipelines": [pipeline(own)]}))
    report = apply_definitions([tmp_path / "a[1].json", tmp_path / "b[1].json"])
    assert (report.created, report.refused) == (ids, [])


def test_a_glob_passes_over_folders_without_definitions(tmp_path: Path) -> None:
    """It may match what holds nothing of interest, as long as something is there."""
    own = new_id()
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.json").write_text(json.dumps({"pipelines": [pipeline(own)]}))
    report = apply_definitions([tmp_path / "*"])
    assert (report.created, report.refused) == ([own], [])


def test_utf_16_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """The refusal of JSON in UTF-16 names the encoding."""
    (tmp_path / "a.json").write_bytes('{"pipelines": []}'.encode("utf-16"))
    assert "is UTF-16: save it as UTF-8" in reasons(apply_definitions([tmp_path]))[0][1]


def test_yaml_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    """A file in another encoding is refused as a whole."""
    (tmp_path / "a.yaml").write_bytes("pipelines: [{description: Käse}]".encode("latin-1"))
    ((field, reason),) = reasons(apply_definitions([tmp_path]))
    assert (field, reason[:17]) == ("file", "is not valid YAML")


def test_anchors_may_stand_under_a_key_of_their_own(tmp_path: Path) -> None:
    """Keys that begin with x- are ignored, and their anchors may be merged; own keys win over merged keys."""
    own = new_id()
    text = f"""
x-shared: &shared {{pipeline_name: Shared, source_type: s3, destination_type: s3, tags: {{team: data}}}}
pipelines: [{{<<: [*shared, {{source_type: kafka, version: 2.0.0}}], pipeline_id: {own}, pipeline_name: Own}}]
"""
    assert apply_text(tmp_path, text).created == [own]
    there = queries.get_pipeline(own)
    assert (there.pipeline_name, there.source_type, there.version, there.tags) == (
        "Own",
        "s3",
        "2.0.0",
        {"team": "data"},
    )


def test_anchors_do_not_reach_into_the_next_document(tmp_path: Path) -> None:
    """An alias of an anchor in the document before is refused."""
    report = apply_text(tmp_path, "x-a: &a {b: 1}\n---\npipelines: [*a]")
    assert "does not name a complete anchor" in reasons(report)[0][1]


def test_what_others_wrote_meanwhile_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If others write between reading and writing, the difference is computed again from the newer item."""
    own = new_id()
    apply(tmp_path, pipeline(own, cpu_cores=2))
    stale = {(own,): queries.get_pipeline(own)}
    commands.update_pipeline(pipeline_id=own, changes={"is_active": False, "description": "by hand"})
    monkeypatch.setattr(definitions, "stored_items", lambda model, keys: stale if model is PipelineConfig else {})
    report = apply(tmp_path, pipeline(own, cpu_cores=4))
    there = stored_fields(queries.get_pipeline(own))
    assert report.updated == [own]
    assert (there["cpu_cores"], there.get("description"), there["is_active"], there["revision"]) == (
        4,
        None,
        False,
        3,
    )


def test_what_others_created_or_deleted_meanwhile_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An item that appeared in the meantime is updated; an item that was deleted is created."""
    appeared, gone = new_id(), new_id()
    apply(tmp_path, pipeline(gone, cpu_cores=2))
    stale = {(gone,): queries.get_pipeline(gone)}
    commands.delete_pipeline(pipeline_id=gone)
    apply(tmp_path, pipeline(appeared, cpu_cores=2))
    monkeypatch.setattr(definitions, "stored_items", lambda model, keys: stale if model is PipelineConfig else {})
    report = apply(tmp_path, pipeline(appeared, cpu_cores=4), pipeline(gone, cpu_cores=4))
    assert (report.created, report.updated) == ([gone], [appeared])
    assert [queries.get_pipeline(one).cpu_cores for one in (appeared, gone)] == [4, 4]


def test_an_item_that_is_written_all_the_time_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After several attempts the entry is refused, and the message says what to do."""
    own = new_id()
    apply(tmp_path, pipeline(own, cpu_cores=2))
    differences = Kind.differences

    def written_meanwhile(kind: Kind, item: Any, values: Any, stored: Any) -> list[FieldChange]:
        commands.update_pipeline(pipeline_id=own, changes={"description": f"again {next(_fresh)}"})
        return differences(kind, item, values, stored)

    monkeypatch.setattr(Kind, "differences", written_meanwhile)
    report = apply(tmp_path, pipeline(own, cpu_cores=4))
    assert reasons(report) == [("pipeline_id", "was changed by others 10 times in the meantime: apply it again")]
    assert queries.get_pipeline(own).cpu_cores == 2


def test_existing_items_are_read_a_hundred_at_a_time(tmp_path: Path) -> None:
    """250 existing entries take three requests, and progress reports each step."""
    ids = [new_id() for _ in range(250)]
    apply(tmp_path, *map(pipeline, ids))
    told: list[tuple[int, int | None]] = []
    with requests() as asked:
        report = apply(tmp_path, *map(pipeline, ids), progress=lambda done, total: told.append((done, total)))
    assert asked == ["BatchGetItem"] * 3
    assert report.unchanged == ids
    assert told[:2] == [(1, None), (2, None)]
    assert told[-4:] == [(250, None), (100, 250), (200, 250), (250, 250)]


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, suffix: str) -> None:
    """Reading four megabytes takes no more than half a megabyte above reading one: entries are not gathered."""

    def peak(count: int) -> int:
        file = tmp_path / f"{count}.{suffix}"
        entries = ",\n".join(json.dumps(pipeline(str(number), description="x" * 900)) for number in range(count))
        file.write_text(f'{{"pipelines": [{entries}]}}')
        tracemalloc.start()
        assert sum(1 for _ in read_entries(file)) == count
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    assert peak(4_000) < peak(1_000) + 500_000


def test_without_pyyaml_yaml_is_refused_with_the_line_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """YAML without PyYAML raises with the pip line before anything is written; JSON needs no PyYAML."""
    own = new_id()
    monkeypatch.setitem(sys.modules, "yaml", None)
    for name in ("definitions.yamlparts", "text.yamltext"):
        monkeypatch.delitem(sys.modules, f"pipemodels.interop.{name}", raising=False)
    (tmp_path / "a.json").write_text(json.dumps({"pipelines": [pipeline(own)]}))
    (tmp_path / "b.yaml").write_text("pipelines: []")
    with pytest.raises(ValidationError, match=r'pip install "pipemodels\[cli\]"'):
        apply_definitions([tmp_path])
    assert queries.find_pipeline(own) is None
    assert apply_definitions([tmp_path / "a.json"]).created == [own]


def test_who_applies_is_checked_before_anything_is_done(tmp_path: Path) -> None:
    """An invalid `by` raises, whatever the files contain."""
    with pytest.raises(ValidationError, match="updated_by"):
        apply(tmp_path, pipeline(new_id()), by=" ")


def test_a_created_item_says_who_made_it(tmp_path: Path) -> None:
    """`by` is stored with what is created."""
    own = new_id()
    apply(tmp_path, tables=[table(own)], by="ci")
    assert (queries.get_table(own).created_by, queries.get_table(own).revision) == ("ci", 1)


def test_the_shipped_example_is_applied_whole_and_once() -> None:
    """The example shop has at least six pipelines in dev and prod, each with its tables, and nothing to refuse."""
    report = apply_definitions([EXAMPLES / "shop.yaml"])
    assert report.refused == []
    made = [queries.find_pipeline(one) for one in report.created]
    shop = [one for one in made if one is not None]
    assert len(shop) >= 6
    assert {one.environment for one in shop} == {"dev", "prod"}
    for one in shop:
        types = {str(two.table_type) for two in queries.tables_of_pipeline(one.pipeline_id)}
        assert types >= {"source", "destination"}
    assert len(apply_definitions([EXAMPLES]).unchanged) == len(report.created)
    assert TableConfig.get("lake/sales.orders").retention_days == 3650
