"""Record OpenLineage run events as runs.

    ingest_events(["events.ndjson", "-"])

The pipeline id is `namespace/name` of the job; the run_id is the runId. START and RUNNING set the status to running,
COMPLETE to success, FAIL to failed, and ABORT to cancelled; OTHER does not change it. Inputs and outputs are
collected from all events, as `namespace/name`. Unknown pipelines are created; existing pipelines are not changed.

The result does not depend on the order of the events or on repeats, in one file or in several: see
`pipemodels.interop.openlineage.facts`. Events for a run that was recorded by other means (`start_run`,
`recorded_run`) are joined with it by the same rules. A name that is not a valid id, because of its length or its
characters, gets an id that ends in a hash of the name; `pipeline_name` keeps the full name.
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
    """Record the runs in OpenLineage events: record the valid events, refuse the others.

    Memory is bounded, whatever the size of a file. Events are read one at a time and grouped by run; a few hundred
    runs are read together, and each changed run is written with one request. The time limit applies to each request
    separately.

    Args:
        paths: files, globs, directories (all `.json`, `.ndjson` and `.jsonl` files below them), `-` for standard
            input, and open streams, which are not closed. They contain JSON: one event per line, events that span
            several lines, or arrays of events.
        by: the user who ingests them.
        progress: called with the number of events read so far, and None.
        assume_timezone: the time zone of times without a UTC offset: an IANA name, `UTC`, or an offset such as
            `+02:00`. If the clocks of the zone showed a time twice, the earlier instant is used; a time that they
            skipped is refused. By default, times without an offset are refused.

    Raises:
        ValidationError: `by` is not a valid id, the time zone is unknown, or a path is empty; nothing was written.
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
    except UnicodeDecodeError as error:  # from a text stream that the caller opened
        recorder.refuse(name, 0, f"cannot be read: {error}")


def _sources(sources: Iterable[Source], recorder: Recorder) -> Iterator[tuple[str, Any]]:
    """Yield names and open streams of bytes; a file opened here is closed when the next stream is requested."""
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
    """Wraps a text stream to read bytes from it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        return self._stream.read(size).encode(errors="surrogatepass")
