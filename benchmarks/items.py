"""The items that are read and written: run logs as `pipemodels` stores them, generated from a seed.

`easy` items are those of a healthy pipeline: three stages, ten instants. `hard` items are difficult for fast
parsers: stack traces with newlines and quotes, escapes, non-Latin scripts, texts such as "B", and varying
attributes. `nested` items have another shape: instead of stages they have nested documents, lists of documents
and lists of texts.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from benchmarks.corpus import Corpus, Item
from pipemodels import DynamoDBConfig, using
from pipemodels.models import PipelineRunLog

PAGE = 500
SEED = 20260517

_FIRST = datetime(2026, 5, 17, 6, tzinfo=UTC)
_STAGES = ("extract", "transform", "load")
_TEXTS = (
    "B",
    "S",
    "NULL",
    "",
    "\\",
    '"quoted"',
    "line\nbreak",
    "tab\there",
    "Täglich",
    "日次",
    "\U0001f600",
    "\u2028",
    "{}",
)


def corpus(size: int = PAGE, seed: int = SEED) -> Corpus:
    """Generate the items; the same seed gives the same items."""
    with using(DynamoDBConfig.for_local_development()):
        easy = [_stored(_easy(Random(f"{seed} easy {n}"), n)) for n in range(size)]
        hard = [_stored(_hard(Random(f"{seed} hard {n}"), n)) for n in range(size)]
        nested = [_stored(_nested(Random(f"{seed} nested {n}"), n)) for n in range(size)]
    held = PipelineRunLog.held_by("PipelineRunsIndex") or frozenset()
    listed = [{name: value for name, value in item.items() if name in held} for item in easy]
    return Corpus(easy, hard, listed, nested)


def _stored(fields: dict[str, Any]) -> Item:
    return PipelineRunLog(**fields).serialize()


def _easy(random: Random, number: int) -> dict[str, Any]:
    start = _FIRST + timedelta(minutes=15 * number, microseconds=random.randrange(10**6))
    times = [start]
    for _ in _STAGES:
        times.append(times[-1] + timedelta(microseconds=random.randrange(10**6, 10**9)))
    processed = random.randrange(10**7)
    return {
        "pipeline_id": "orders_daily",
        "run_id": f"scheduled__{start:%Y-%m-%dT%H:%M:%S}+00:00",
        "status": "success",
        "trigger_type": "schedule",
        "start_time": start,
        "end_time": times[-1],
        "stages": [
            {"stage_name": name, "status": "success", "start_time": begun, "end_time": ended,
             "records_processed": random.randrange(processed + 1)}
            for name, begun, ended in zip(_STAGES, times, times[1:], strict=False)
        ],
        "total_records_processed": processed,
        "total_records_failed": random.randrange(processed // 1_000 + 1),
        "input_data_size_bytes": random.randrange(10**11),
        "cpu_hours": Decimal(random.randrange(1, 10**5)) / 1_000,
        "pipeline_version": f"1.{random.randrange(20)}.{random.randrange(10)}",
        "environment": "production",
        "tags": {"team": random.choice(("orders", "billing", "search")), "cost_centre": str(random.randrange(10**4))},
        "revision": 8,
        "created_at": start,
        "updated_at": times[-1],
        "created_by": "airflow",
        "write_id": f"{random.getrandbits(128):032x}",
    }  # fmt: skip


def _hard(random: Random, number: int) -> dict[str, Any]:
    fields = _easy(random, number) | {
        "pipeline_id": "Täglicher Import",
        "status": "failed",
        "error_message": f"ValueError: {random.choice(_TEXTS)!r} is no {random.choice(_TEXTS)}",
        "error_stack_trace": _stack(random),
    }
    sometimes = {
        "current_stage": "B",
        "log_level": "B",
        "owner": "worker-ß-7",
        "retry_of": f"manual__{number}",
        "attempt": random.randrange(1, 9),
        "data_quality_passed": random.random() < 0.5,
        "memory_usage_gb": Decimal("12345678901234567890.123456789"),
        "input_tables": random.choices(_TEXTS, k=random.randrange(5)),
        "monitoring_urls": {"B": "B", "dashboard": 'https://example.org/?q=\\"a"'},
        "config_snapshot": {
            "M": {"L": [None, True, 7, Decimal("0.1"), random.choice(_TEXTS), {"B": "B"}]},
            "query": 'SELECT "a"\nFROM b -- \\ \u00e9',
        },
        "log_messages": [{"B": random.choice(_TEXTS), "line": n} for n in range(random.randrange(4))],
        "data_quality_results": [
            {"check_name": "rows", "passed": False, "expected_value": 0, "actual_value": random.randrange(9)}
        ],
    }
    taken = random.sample(sorted(sometimes), k=random.randrange(len(sometimes) + 1))
    dropped = random.sample(["tags", "cpu_hours", "environment", "created_by", "stages"], k=random.randrange(3))
    return {name: value for name, value in fields.items() if name not in dropped} | {
        name: sometimes[name] for name in taken
    }


def _nested(random: Random, number: int) -> dict[str, Any]:
    easy = _easy(random, number)
    kept = ("run_id", "status", "trigger_type", "start_time", "end_time", "environment", "tags", "revision")
    return {name: easy[name] for name in (*kept, "created_at", "updated_at", "write_id")} | {
        "pipeline_id": "orders_model",
        "config_snapshot": {
            "source": {"kind": "postgres", "tables": [f"public.t{n}" for n in range(random.randrange(1, 6))],
                       "options": {"fetch_size": random.randrange(10**5), "ssl": True, "schema": None}},
            "columns": [{"name": f"c{n}", "type": "numeric", "width": random.randrange(64), "nullable": n % 2 == 0}
                        for n in range(random.randrange(2, 7))],
            "thresholds": {"low": Decimal("0.25"), "high": Decimal(random.randrange(2601, 9999, 2)) / 10_000},
        },
        "log_messages": [{"line": n, "level": "info", "text": f"step {n} done", "at": {"part": n % 3, "of": 3}}
                         for n in range(random.randrange(2, 6))],
        "input_tables": [f"warehouse.orders_{n}" for n in range(random.randrange(1, 9))],
        "monitoring_urls": {"dashboard": f"https://example.org/d/{number}", "logs": f"https://example.org/l/{number}"},
    }  # fmt: skip


def _stack(random: Random) -> str:
    frames = [
        f'  File "C:\\jobs\\orders\\step_{n}.py", line {random.randrange(900)}, in <lambda>\n'
        f"    return rows[{random.choice(_TEXTS)!r}] # {random.choice(_TEXTS)}\n"
        for n in range(random.randrange(3, 8))
    ]
    return "Traceback (most recent call last):\n" + "".join(frames) + "ValueError: \x1b[31mno such row\x1b[0m\n"
