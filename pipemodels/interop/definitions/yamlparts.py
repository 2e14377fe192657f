"""Read the fragments of a definition file in YAML."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, BinaryIO

import yaml

from pipemodels.interop.text.parts import BrokenTextError, Part, UnusableError, key_twice
from pipemodels.interop.text.yamltext import YAMLReader


def yaml_parts(stream: BinaryIO, sections: Collection[str]) -> Iterator[Part]:
    """Yield the fragments of all documents; lists of the named sections are read element by element.

    Raises:
        BrokenTextError: the text is not valid YAML, or a document has a duplicate key.
    """
    reader = YAMLReader(stream)
    while not isinstance(event := reader.next(), yaml.StreamEndEvent):
        if isinstance(event, yaml.DocumentStartEvent):
            reader.forget_anchors()
        elif isinstance(event, yaml.MappingStartEvent):
            yield from _sections(reader, sections)
        elif isinstance(event, yaml.NodeEvent):
            yield _part(reader, event, "document", "", -1)


def _sections(reader: YAMLReader, sections: Collection[str]) -> Iterator[Part]:
    lines: dict[str, int] = {}
    while not isinstance(event := reader.next(), yaml.MappingEndEvent):
        line = reader.line
        try:
            name = str(reader.value(event))
        except UnusableError as error:
            raise BrokenTextError(line, str(error)) from None
        if name in lines:
            raise key_twice(name, line, lines[name])
        lines[name] = line
        event = reader.next()
        if name in sections and isinstance(event, yaml.SequenceStartEvent):
            yield from _entries(reader, name)
        else:
            yield _part(reader, event, "section", name, -1)


def _entries(reader: YAMLReader, section: str) -> Iterator[Part]:
    position = 0
    while not isinstance(event := reader.next(), yaml.SequenceEndEvent):
        yield _part(reader, event, "entry", section, position)
        position += 1


def _part(reader: YAMLReader, event: Any, kind: Any, section: str, position: int) -> Part:
    line = reader.line
    try:
        return Part(kind, section, position, line, reader.value(event))
    except UnusableError as error:
        return Part(kind, section, position, line, None, error.problem)
