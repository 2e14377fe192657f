"""Documents and texts that DynamoDB itself judges: nesting, size, subclasses of str."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Any

import pytest

from pipemodels import ItemTooLargeError, ValidationError, commands, queries
from tests.helpers.backends import Backend, fresh, requests_of
from tests.helpers.items import pipeline_fields, plain, raw_item, run_key, table_fields


class Kind(str, Enum):  # noqa: UP042  # StrEnum, whose str() is the value, is another thing
    """An enum as many code bases have them; its `str()` is `Kind.STREAM`."""

    STREAM = "stream"


def nested(levels: int) -> Any:
    """Return a value inside this many maps."""
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize("levels", [31, 32])
def test_a_document_is_as_deep_as_dynamodb_stores_or_refused(store: Backend, levels: int) -> None:
    """31 maps around a value are stored; 32 are refused before any request."""
    fields = pipeline_fields(config=nested(levels))
    with requests_of(store.config) as requests:
        if levels == 31:
            created = commands.create_pipeline(**fields)
            assert plain(queries.get_pipeline(created.pipeline_id)) == plain(created)
            return
        with pytest.raises(ValidationError, match="nested deeper than the 31 lists and maps"):
            commands.create_pipeline(**fields)
    assert requests == []


@pytest.mark.parametrize("levels", [30, 31])
def test_the_list_around_a_document_counts_as_a_level(store: Backend, levels: int) -> None:
    """A quality check of a table may hold 30 maps, one less than a document of its own."""
    fields = table_fields(data_quality_checks=[nested(levels)])
    if levels == 30:
        created = commands.create_table(**fields)
        assert plain(queries.get_table(created.table_id)) == plain(created)
        return
    with requests_of(store.config) as requests, pytest.raises(ValidationError, match="nested deeper"):
        commands.create_table(**fields)
    assert requests == []


@pytest.mark.parametrize("levels", [29, 30])
def test_the_record_around_a_value_counts_as_a_level(store: Backend, levels: int) -> None:
    """An expected value may hold 29 maps: its record and the list of records are around it."""
    key = run_key()
    commands.start_run(**key)
    results = [{"check_name": "rows", "passed": True, "expected_value": nested(levels)}]
    if levels == 29:
        recorded = commands.record_quality(**key, results=results)
        assert plain(queries.get_run(**key)) == plain(recorded)
        assert plain(recorded)["data_quality_results"] == results
        return
    with requests_of(store.config) as requests, pytest.raises(ValidationError, match="nested deeper"):
        commands.record_quality(**key, results=results)
    assert requests == []


def test_a_text_enum_is_stored_by_its_value(store: Backend) -> None:
    """A member of `class Kind(str, Enum)` is its value everywhere, never `Kind.STREAM`."""
    fields = pipeline_fields(
        source_type=Kind.STREAM,
        environment=Kind.STREAM,
        config={Kind.STREAM: [Kind.STREAM]},
        tags={"kind": Kind.STREAM},
    )
    created = commands.create_pipeline(**fields)
    stored = queries.get_pipeline(created.pipeline_id)
    assert stored == created
    assert (stored.source_type, stored.environment, stored.tags) == ("stream", "stream", {"kind": "stream"})
    assert stored.config == {"stream": ["stream"]}
    assert type(created.config["stream"][0]) is str
    listed = [one.pipeline_id for one in queries.pipelines_by_environment(Kind.STREAM)]
    assert created.pipeline_id in listed


@pytest.mark.parametrize("number", [10**125, -(10**38), 10**38 - 1])
def test_a_large_whole_number_does_not_spoil_a_listing(store: Backend, number: int) -> None:
    """It is sent in 38 digits and an exponent, reads back whole, and the listing of its pipeline works."""
    environment = fresh("env")
    created = commands.create_pipeline(**pipeline_fields(config={"n": number}, environment=environment))
    stored = raw_item(store.config, "pipeline_config", pipeline_id=created.pipeline_id)["config"]["M"]["n"]["N"]
    assert int(Decimal(stored)) == number
    assert queries.get_pipeline(created.pipeline_id).config == {"n": number}
    assert [one.pipeline_id for one in queries.pipelines_by_environment(environment)] == [created.pipeline_id]


def test_an_update_that_makes_an_item_too_large_says_so(store: Backend) -> None:
    """Two documents of 300 KB fit one by one, not together: ItemTooLargeError, and the item stays as it was."""
    before = commands.create_pipeline(**pipeline_fields(config={"text": "x" * 300_000}))
    with pytest.raises(ItemTooLargeError, match=before.pipeline_id):
        commands.update_pipeline(pipeline_id=before.pipeline_id, changes={"source_config": {"text": "x" * 300_000}})
    assert queries.get_pipeline(before.pipeline_id) == before
