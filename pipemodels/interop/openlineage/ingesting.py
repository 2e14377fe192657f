"""OpenLineage's run events, recorded as runs.

    ingest_events(["events.ndjson", "-"])

A run's pipeline is `namespace/name` of its job, its run_id the runId; START and RUNNING make it running, COMPLETE a
success, FAIL failed, ABORT cancelled, OTHER leaves its status. Inputs and outputs are collected over its events as
`namespace/name`. A pipeline that is not known is registered; one that is known stays as it is.

The result depends neither on the order of the events nor on repeats, within a file or over many: see
`pipemodels.interop.openlineage.facts`. A run that was recorded otherwise (`start_run`, `recorded_run`) is joined by
the same rules. Names that make no id of ours, for their length or their characters, get one that ends in a hash of
the name; the pipeline's name is the whole one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from pipemodels.errors import ValidationError
from pipemodels.interop.openlineage.events import is_event, read_event
from pipemodels.interop.openlineage.recorder import Recorder
from pipemodels.interop.openlineage.times import Zone, zone_of
from pipemodels.interop.reports import IngestReport, LineRefusal, Progress, silent
from pipemodels.interop.text.files import Found, matching_files, named_paths, same_file
from pipemodels.interop.text.jsontext import JSONSource
from pipemodels.interop.text.loosejson import LooseValues
from pipemodels.interop.text.parts import BrokenTextError
from pipemodels.models.run import PipelineRunLog
from pipemodels.storage import targets

__all__ = ["IngestReport", "LineRefusal", "ingest_events"]

STANDARD_INPUT = "-"
MAX_EVENT_BYTES = 8 << 20
_SUFFIXES = frozenset({".json", ".ndjson", ".jsonl"})
Source = str | Path | TextIO | BinaryIO


def ingest_events(
    paths: Iterable[Source],
    *,
    by: str | None = None,
    progress: Progress | None = None,
    assume_timezone: str | None = None,
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
        assume_timezone: the zone of times that have no UTC offset: an IANA name, `UTC`, or an offset such as
            `+02:00`. Of a time that the zone's clocks showed twice the earlier is taken; one that they skipped is
            refused. Without it every time without an offset is refused.

    Raises:
        ValidationError: `by` is no id, the zone is not known, or a path is empty; nothing was done.
    """
    targets.check_values(PipelineRunLog, {"updated_by": by})
    zone = None if assume_timezone is None else zone_of(assume_timezone, "assume_timezone")
    sources = named_paths(paths)
    recorder = Recorder(by, progress or silent)
    for name, source in _sources(sources, recorder):
        _ingest(name, source, recorder, zone)
    recorder.flush()
    return recorder.report()


def _ingest(name: str, stream: Any, recorder: Recorder, zone: Zone | None) -> None:
    try:
        for found in LooseValues(JSONSource(stream), MAX_EVENT_BYTES, is_event):
            if found.reason is not None:
                recorder.refuse(name, found.line, found.reason)
                continue
            try:
                event = read_event(found.value, zone)
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


def _sources(sources: Iterable[Source], recorder: Recorder) -> Iterator[tuple[str, Any]]:
    """Yield names and open streams of bytes; those opened here are closed when the next one is asked for."""
    seen: set[Any] = set()
    for given in sources:
        if not isinstance(given, str | Path):
            yield str(getattr(given, "name", "stream")), _bytes_of(given)
        elif str(given) == STANDARD_INPUT:
            yield STANDARD_INPUT, _bytes_of(getattr(sys.stdin, "buffer", sys.stdin))
        else:
            found = matching_files(given, _SUFFIXES)
            for place, reason in found.problems:
                recorder.refuse(place, 0, reason)
            yield from _files(found, seen, recorder)


def _files(found: Found, seen: set[Any], recorder: Recorder) -> Iterator[tuple[str, Any]]:
    for file in found.files:
        if (same := same_file(file)) in seen:
            continue
        seen.add(same)
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
