"""OpenLineage's run events, recorded as runs.

    ingest_events(["events.ndjson", "-"])

A run's pipeline is `namespace/name` of its job, its run_id the runId; START and RUNNING make it running, COMPLETE a
success, FAIL failed, ABORT cancelled, OTHER leaves its status. Inputs and outputs are collected over its events as
`namespace/name`. A pipeline that is not known is registered; one that is known stays as it is.

The result depends neither on the order of the events nor on repeats, within a file or over many: see
`pipemodels.interop.run_events.facts`. A run that was recorded otherwise (`start_run`, `recorded_run`) is joined by
the same rules. Names that make no id of ours, for their length or their characters, get one that ends in a hash of
the name; the pipeline's name is the whole one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from pipemodels.commands import _writing as writing
from pipemodels.errors import ValidationError
from pipemodels.interop.reports import IngestReport, LineRefusal, Progress, silent
from pipemodels.interop.run_events.events import is_event, read_event
from pipemodels.interop.run_events.recorder import Recorder
from pipemodels.interop.text.files import matching_files, one_or_more
from pipemodels.interop.text.jsontext import JSONSource
from pipemodels.interop.text.loosejson import LooseValues
from pipemodels.interop.text.parts import BrokenTextError
from pipemodels.models.run import PipelineRunLog

__all__ = ["IngestReport", "LineRefusal", "ingest_events"]

STANDARD_INPUT = "-"
MAX_EVENT_BYTES = 8 << 20
_SUFFIXES = frozenset({".json", ".ndjson", ".jsonl"})
Source = str | Path | TextIO | BinaryIO


def ingest_events(
    paths: Iterable[Source], *, by: str | None = None, progress: Progress | None = None
) -> IngestReport:
    """Record the runs that OpenLineage events tell of; what is good is done, what is not is refused.

    Takes bounded memory, whatever the size of a file: events are read one at a time, gathered by run, and a few
    hundred runs are read together and written with one request each. Each request has the time limit for itself.

    Args:
        paths: files, globs, directories (all `.json`, `.ndjson` and `.jsonl` files below them), `-` for standard
            input, and open streams, which stay open. Each holds JSON: an event a line, events over many lines, or
            arrays of events.
        by: who ingests them.
        progress: called with the number of events that were read, and None.

    Raises:
        ValidationError: `by` is no id; nothing was done.
    """
    writing.check_values(PipelineRunLog, {"updated_by": by})
    recorder = Recorder(by, progress or silent)
    for name, source in _sources(paths, recorder):
        _ingest(name, source, recorder)
    recorder.flush()
    return recorder.report()


def _ingest(name: str, stream: Any, recorder: Recorder) -> None:
    try:
        for found in LooseValues(JSONSource(stream), MAX_EVENT_BYTES, is_event):
            if found.reason is not None:
                recorder.refuse(name, found.line, found.reason)
                continue
            try:
                event = read_event(found.value)
            except ValidationError as error:
                recorder.refuse(name, found.line, str(error))
            else:
                recorder.add(name, found.line, event)
    except BrokenTextError as error:
        recorder.refuse(name, error.line, error.reason)
    except OSError as error:
        recorder.refuse(name, 0, f"cannot be read: {error.strerror or error}")
    except UnicodeDecodeError as error:  # a text stream of the caller's
        recorder.refuse(name, 0, f"cannot be read: {error}")


def _sources(paths: Iterable[Source], recorder: Recorder) -> Iterator[tuple[str, Any]]:
    """Yield names and open streams of bytes; those opened here are closed when the next one is asked for."""
    for given in one_or_more(paths):
        if not isinstance(given, str | Path):
            yield str(getattr(given, "name", "stream")), _bytes_of(given)
        elif str(given) == STANDARD_INPUT:
            yield STANDARD_INPUT, _bytes_of(getattr(sys.stdin, "buffer", sys.stdin))
        else:
            yield from _files(given, recorder)


def _files(given: str | Path, recorder: Recorder) -> Iterator[tuple[str, Any]]:
    try:
        files = matching_files(given, _SUFFIXES)
    except FileNotFoundError as error:
        recorder.refuse(str(given), 0, str(error))
        return
    for file in files:
        try:
            stream = file.open("rb")
        except OSError as error:
            recorder.refuse(str(file), 0, f"cannot be read: {error.strerror or error}")
            continue
        with stream:
            yield str(file), stream


def _bytes_of(stream: Any) -> Any:
    return _Encoded(stream) if isinstance(stream.read(0), str) else stream


class _Encoded:
    """A stream of text, read as bytes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        return self._stream.read(size).encode(errors="surrogatepass")
