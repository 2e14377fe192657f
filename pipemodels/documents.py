"""Documents: exact conversion of JSON-like Python values to DynamoDB's type-tagged values and back.

A document consists of dict (with str keys), list, str, int, Decimal, bool and None. Any other value is rejected with
its path. Whole numbers are read back as int, others as Decimal; float is never used. The tagged format is that of
DynamoDB's AttributeValue.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from pipemodels.checks import MAX_DIGITS, MAX_ITEM_BYTES, exact_number, number_problem, plain_text, text_problem
from pipemodels.errors import ItemTooLargeError, Problem, ValidationError

MAX_DEPTH = 31  # DynamoDB allows 32 levels in an attribute, including the innermost value
_WAYS_OUT = {
    tuple: "a tuple: write a list",
    set: "a set: write a sorted list",
    frozenset: "a set: write a sorted list",
    bytes: "bytes: write base64 text, or the URL of a file",
}


def checked_document(value: Any, path: str, *, depth: int = 0) -> Any:
    """Return a deep copy of the document, as storage returns it.

    Args:
        value: the document.
        path: the path of the document in the item, for error messages.
        depth: the number of lists and maps of the item that enclose the document.

    Raises:
        ValidationError: a value cannot be stored; the error has the path, value and reason of each such value.
    """
    _refuse_endless(value, path)
    if problems := list(document_problems(value, path, depth)):
        raise ValidationError(problems)
    return _copy(value)


def _refuse_endless(value: Any, path: str) -> None:
    """Reject a document that has more values than an item has bytes, e.g. a list that contains itself."""
    pending, count = [value], 0
    while pending and count <= MAX_ITEM_BYTES:
        node = pending.pop()
        children: Any = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        count += len(children)
        pending.extend(children if count <= MAX_ITEM_BYTES else ())
    if count > MAX_ITEM_BYTES:
        reason = (
            f"contains more than {MAX_ITEM_BYTES:,} values, or contains itself; "
            f"an item can hold {MAX_ITEM_BYTES:,} bytes"
        )
        raise ItemTooLargeError([Problem(path, type(value).__name__, reason)])


def document_problems(value: Any, path: str, depth: int = 0) -> Iterator[Problem]:
    """Yield a problem for each value or key of a document that cannot be stored."""
    if isinstance(value, dict | list) and depth >= MAX_DEPTH:
        yield Problem(
            path, type(value).__name__, f"is nested deeper than the {MAX_DEPTH} lists and maps that DynamoDB stores"
        )
    elif isinstance(value, dict):
        for key, part in value.items():
            if reason := text_problem(key) or ("is an empty key" if not key else None):
                yield Problem(f"{path} key", key, reason)
            else:
                yield from document_problems(part, f"{path}.{key}", depth + 1)
    elif isinstance(value, list):
        for position, part in enumerate(value):
            yield from document_problems(part, f"{path}[{position}]", depth + 1)
    elif reason := _scalar_problem(value):
        yield Problem(path, value, reason)


def _scalar_problem(value: object) -> str | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        return text_problem(value)
    if isinstance(value, int | float | Decimal):
        return number_problem(value)
    way_out = next((text for kind, text in _WAYS_OUT.items() if isinstance(value, kind)), None)
    return f"is {way_out or f'of type {type(value).__name__}, which a document cannot contain: write text'}"


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {plain_text(key): _copy(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_copy(part) for part in value]
    if isinstance(value, bool) or value is None:
        return value
    return plain_text(value) if isinstance(value, str) else exact_number(value)


def encode(value: Any) -> dict[str, Any]:
    """Return a checked document in DynamoDB's tagged format."""
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bool):
        return {"BOOL": value}
    if value is None:
        return {"NULL": True}
    if isinstance(value, dict):
        return {"M": {key: encode(part) for key, part in value.items()}}
    if isinstance(value, list):
        return {"L": [encode(part) for part in value]}
    return {"N": number_text(value)}


def decode(tagged: dict[str, Any]) -> Any:
    """Return a value in DynamoDB's tagged format as a document. Sets of other programs become sorted lists."""
    ((tag, value),) = tagged.items()
    if tag == "M":
        return {key: decode(part) for key, part in value.items()}
    if tag == "L":
        return [decode(part) for part in value]
    if tag == "N":
        return read_number(value)
    if tag == "NULL":
        return None
    if tag == "NS":
        return sorted(read_number(part) for part in value)
    return sorted(value) if tag in {"SS", "BS"} else value


def number_text(value: int | Decimal) -> str:
    """Return a number as exact text for DynamoDB. A long int such as 10**125 is written with an exponent."""
    text = str(value)
    if not isinstance(value, int) or len(text) <= MAX_DIGITS:
        return text
    significant = text.rstrip("0")
    return f"{significant}E+{len(text) - len(significant)}"


def read_number(text: str) -> int | Decimal:
    """Return the exact number of a text that DynamoDB stored."""
    return exact_number(Decimal(text))


def refuse_too_large(item: Mapping[str, dict[str, Any]]) -> None:
    """Reject an item that is larger than DynamoDB's 400 KB.

    Source: "DynamoDB item sizes and formats" in the developer guide. Numbers count with their largest possible size.

    Raises:
        ItemTooLargeError: the item is too large; the message names the three largest fields and their sizes.
    """
    sizes = field_sizes(item)
    total = sum(sizes.values())
    if total > MAX_ITEM_BYTES:
        largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
        shown = ", ".join(f"{name} {sizes[name]:,} bytes" for name in largest)
        reason = f"bytes exceed the {MAX_ITEM_BYTES:,} bytes of a DynamoDB item; its largest fields: {shown}"
        raise ItemTooLargeError([Problem("item", total, reason)])


def field_sizes(item: Mapping[str, dict[str, Any]]) -> dict[str, int]:
    """Return the size of each field of an item in bytes, including its name."""
    return {name: len(name.encode()) + _size(value) for name, value in item.items()}


def item_bytes(item: Mapping[str, dict[str, Any]]) -> int:
    """Return the size of an item in bytes. Numbers count with their largest possible size."""
    return sum(field_sizes(item).values())


def _size(tagged: dict[str, Any]) -> int:
    ((tag, value),) = tagged.items()
    if tag == "S":
        return len(value.encode())
    if tag == "B":
        return len(value)
    if tag == "N":
        return (len(value) + 1) // 2 + 1
    if tag == "M":
        return 3 + sum(1 + len(key.encode()) + _size(part) for key, part in value.items())
    if tag == "L":
        return 3 + sum(1 + _size(part) for part in value)
    return 1 if tag in {"BOOL", "NULL"} else sum(map(len, value))
