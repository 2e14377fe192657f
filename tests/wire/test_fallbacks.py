"""What the fast way leaves to the ordinary way is counted, and said once; and its source is shown."""

from __future__ import annotations

import inspect
import json
import logging
import traceback
from decimal import Decimal
from typing import Any

import pytest

from benchmarks.items import corpus
from benchmarks.values import decoded
from pipemodels import PipelineRunLog, ValidationError, using
from pipemodels.codecs import facade, source
from pipemodels.transport import fallbacks
from pipemodels.transport.parsing import FastParser
from tests.wire import worlds
from tests.wire.worlds import ON

KEYS: dict[str, Any] = {"pipeline_id": "p", "run_id": "r", "status": "running", "trigger_type": "t"}
RUN_LOG = "pipemodels.models.run.PipelineRunLog"


def test_a_fallback_is_counted_each_time_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """By what was to be done, for which model, and why, with the line of generated code that met it."""
    with using(ON), caplog.at_level(logging.DEBUG, "pipemodels.fast_path"):
        for _ in range(3):
            assert PipelineRunLog(**KEYS, cpu_hours=Decimal("1.50")).cpu_hours == Decimal("1.5")
    assert fallbacks.counted == {("making", RUN_LOG, fallbacks.DECLINED): 3}
    (told,) = [record.getMessage() for record in caplog.records if record.name == "pipemodels.fast_path"]
    assert told.startswith(f"making of {RUN_LOG} uses the fallback: DeclinedError\n")
    assert f'File "<pipemodels {RUN_LOG}.take>"' in told
    assert "if type(v) is not Decimal or" in told


def test_what_is_refused_is_no_fallback() -> None:
    """The ordinary way refuses it too."""
    with using(ON), pytest.raises(ValidationError):
        PipelineRunLog(**KEYS, cpu_hours="a lot")
    assert not fallbacks.counted


@pytest.mark.falls_back
def test_a_fault_of_the_fast_way_is_counted_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it raises, the item is written; a test that does not say so fails."""
    encoder: Any = facade.encoder_of(PipelineRunLog)
    monkeypatch.setattr(encoder, "_write", lambda *_: 1 / 0)
    with using(ON):
        assert PipelineRunLog(**KEYS).serialize()["run_id"] == {"S": "r"}
    assert fallbacks.counted == {("writing", RUN_LOG, "ZeroDivisionError"): 1}


def test_what_is_usual_never_falls_back() -> None:
    """The items of the benchmarks, of both shapes, are made, written and read without a single fallback."""
    items = corpus(20)
    body = json.dumps(worlds.page(items.easy + items.nested)).encode()
    fallbacks.counted.clear()  # to draw them may fall back
    with using(ON):
        for item in items.easy + items.nested:
            given = {name: value for name, value in decoded(item).items() if name not in PipelineRunLog.DERIVED}
            keys = given.pop("pipeline_id"), given.pop("run_id")
            for stage in given.get("stages", ()):
                stage.pop("duration_seconds", None)
            run = PipelineRunLog(*keys, **given)
            assert run.serialize() == item
            assert run.batch_put()["TableName"] == "pipeline_run_logs"
        with facade.reading(PipelineRunLog):
            reply = FastParser().parse(worlds.reply(body), worlds.shape("Query"))
        for one, item in zip(facade.stored_items(reply["Items"]), items.easy + items.nested, strict=True):
            assert PipelineRunLog.from_raw_data(one).serialize() == item
    assert not fallbacks.counted


def test_two_classes_of_one_name_have_two_sources() -> None:
    """A traceback shows the line that it is about."""
    functions = []
    for number in (1, 2):
        names: dict[str, Any] = {"__name__": "tests.Twin"}
        source.compile_lines(["def fail():", f"    raise ValueError({number})"], names)
        functions.append(names["fail"])
    for number, fail in enumerate(functions, 1):
        with pytest.raises(ValueError, match=str(number)) as caught:
            fail()
        assert f"raise ValueError({number})" in "".join(traceback.format_exception(caught.value))
        assert inspect.getsource(fail) == f"def fail():\n    raise ValueError({number})\n"


def test_an_object_shows_its_generated_code() -> None:
    """To debuggers and profilers, as `inspect` finds it."""
    encoder: Any = facade.encoder_of(PipelineRunLog)
    assert inspect.getsource(encoder._write).startswith("def write(values, revision):\n get = values.get\n")
    assert encoder._write.__module__ == RUN_LOG
