"""Documents through storage: what is accepted comes back equal and of equal types; what is refused is never sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pipemodels import PipelineConfig, ValidationError, commands, queries
from pipemodels.testing import strategies as pm
from tests.helpers.backends import Backend, requests_of
from tests.helpers.items import pipeline_fields, plain, run_key, table_fields

MOST = Decimal("9.9999999999999999999999999999999999999E+125")
LOWEST = Decimal(f"-{MOST}")  # unary minus would round to the context's 28 digits
LEAST = Decimal("1E-130")


def expected(value: Any) -> Any:
    """Return how a value reads back: numbers as int where they are whole, else as Decimal; all else as it was."""
    if isinstance(value, dict):
        return {key: expected(one) for key, one in value.items()}
    if isinstance(value, list):
        return [expected(one) for one in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else value
    return value


def typed(value: Any) -> Any:
    """Return a value together with the types of all its parts, so that 1 is not True and not Decimal(1)."""
    if isinstance(value, dict):
        return {key: typed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [typed(one) for one in value]
    return type(value).__name__, str(value.normalize()) if isinstance(value, Decimal) and abs(
        value
    ) < 10**9 else value


def test_any_document_comes_back(store: Backend) -> None:
    """By put, by update, in a list, in a record: equal, of equal types, as returned and as read."""
    fields, table, run = pipeline_fields(), table_fields(), run_key()
    commands.put_pipeline(**fields)
    commands.put_table(**table)
    commands.start_run(**run)

    @store.examples(100)
    @given(pm.documents(), pm.values())
    @example({"a": [True, 1, Decimal("1.0"), Decimal("-0"), "1", None, {}, [], ""]}, MOST)
    @example({"a": LOWEST, "b": LEAST, "c": -LEAST, "d": 10**37 * 9}, Decimal("1.10"))
    @example({"\u2028": "\x00", "a.b": {"#c": ":d", "e[0]": 1}, "é": "e\u0301", "😀": "\ufeff"}, 0)
    def holds(document: dict[str, Any], value: Any) -> None:
        wanted = typed(expected(document))
        written = commands.put_pipeline(**fields, config=document, spark_config=document)
        assert typed(written.config) == wanted
        assert typed(queries.get_pipeline(fields["pipeline_id"]).spark_config) == wanted
        changes = {"config": {"value": value}}
        updated = commands.update_pipeline(pipeline_id=fields["pipeline_id"], changes=changes)
        assert typed(updated.config) == {"value": typed(expected(value))}
        checked = commands.update_table(table_id=table["table_id"], changes={"data_quality_checks": [document]})
        assert typed(checked.data_quality_checks) == [wanted]
        assert queries.get_table(table["table_id"]) == checked
        result = {"check_name": "rows", "passed": True, "expected_value": value, "actual_value": document}
        recorded = commands.record_quality(**run, results=[result])
        (stored,) = queries.get_run(**run).data_quality_results
        assert typed(stored.expected_value) == typed(expected(value))
        assert typed(stored.actual_value) == wanted
        assert [stored] == recorded.data_quality_results

    holds()


def test_any_pipeline_table_and_history_comes_back_whole(store: Backend) -> None:
    """Whatever fields are given: the returned item is the stored one, and each given field reads as it was given."""

    @store.examples(30)
    @given(pm.pipeline_fields(), pm.table_fields(), pm.run_histories())
    def holds(pipeline: dict[str, Any], table: dict[str, Any], history: pm.RunHistory) -> None:
        for fields, put, get, key in (
            (pipeline, commands.put_pipeline, queries.get_pipeline, "pipeline_id"),
            (table, commands.put_table, queries.get_table, "table_id"),
        ):
            written = put(**fields)
            assert plain(get(fields[key])) == plain(written)
            attributes: dict[str, Any] = dict(type(written).get_attributes())
            given_ = {name: plain(attributes[name].normalise(value)) for name, value in fields.items()}
            assert {name: plain(getattr(written, name)) for name in fields} == given_
        run = {name: history.steps[0][1][name] for name in ("pipeline_id", "run_id")}
        assume(queries.find_run(**run) is None)
        recorded = history.record()
        assert queries.get_run(**run) == recorded

    holds()


REFUSED = st.one_of(
    st.floats(),
    st.sampled_from((float("nan"), Decimal("NaN"), Decimal("Infinity"), Decimal("-sNaN"))),
    st.integers(10**38 + 1, 10**40).filter(lambda number: len(str(number).rstrip("0")) > 38),
    st.just(10**126),
    st.just(Decimal("1E-131")),
    st.binary(),
    st.sets(st.integers()),
    st.tuples(st.integers()),
    st.just(object()),
    st.just({"": 1}),
    st.just({1: 1}),
    st.just("\ud800"),
    st.datetimes(),
)


def test_what_is_refused_is_refused_before_any_request(store: Backend) -> None:
    """A value that no document holds, however deep: ValidationError with its path, and nothing is sent."""
    created = commands.create_pipeline(**pipeline_fields())
    wrap = st.sampled_from((lambda v: {"a": v}, lambda v: {"a": [1, v]}, lambda v: {"b": {"c": {"d": v}}}))

    @store.examples(100)
    @given(REFUSED, wrap, pm.documents(max_leaves=3))
    def holds(value: Any, wrapped: Any, beside: dict[str, Any]) -> None:
        document = {**beside, **wrapped(value)}
        with requests_of(store.config) as requests:
            with pytest.raises(ValidationError, match=r"^config\."):
                commands.update_pipeline(pipeline_id=created.pipeline_id, changes={"config": document})
            with pytest.raises(ValidationError, match=r"config\."):
                commands.put_pipeline(**pipeline_fields(config=document))
            with pytest.raises(ValidationError, match=r"^config\."):
                PipelineConfig(**pipeline_fields(config=document))
        assert requests == []

    holds()
    assert queries.get_pipeline(created.pipeline_id) == created
