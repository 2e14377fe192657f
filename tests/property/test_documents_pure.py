"""Documents and numbers, drawn, without any storage: what is taken reads back, what is not is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipemodels.checks import exact_number, number_problem
from pipemodels.documents import checked_document, decode, document_problems, encode, number_text, read_number

texts = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.one_of(
    st.integers(-(10**38) + 1, 10**38 - 1),
    st.builds(
        lambda sign, digits, exponent: Decimal((sign, digits, exponent)),
        st.integers(0, 1),
        st.lists(st.integers(0, 9), min_size=1, max_size=38).map(tuple),
        st.integers(-92, 80),
    ),
)
scalars = st.one_of(st.none(), st.booleans(), texts, numbers)
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts.filter(bool), inner, max_size=4)),
    max_leaves=15,
)
refused = st.one_of(
    st.floats(), st.binary(), st.sets(st.integers()), st.tuples(st.integers()), st.just(Decimal("NaN")),
    st.just(10**38 + 1), st.complex_numbers(), st.dates(), st.datetimes(), st.just(object()), st.just("\ud800"),
)  # fmt: skip


@settings(deadline=None)
@given(documents)
@example({"S": "x"})
@example({"M": {"L": []}})
@example([Decimal("-0.0"), Decimal("1E+3"), Decimal("1.10")])
def test_a_document_reads_back_as_it_was_held(document: Any) -> None:
    """Encoding and decoding gives an equal document of equal types; checking it again changes nothing."""
    held = checked_document(document, "x")
    found = decode(encode(held))
    assert typed(found) == typed(held)
    assert held == document
    assert typed(checked_document(held, "x")) == typed(held)


def typed(value: Any) -> Any:
    """Return a value with the type of each part beside it: 1, True and Decimal(1) are equal, and not the same."""
    if isinstance(value, dict):
        return {key: typed(part) for key, part in value.items()}
    if isinstance(value, list):
        return [typed(part) for part in value]
    return type(value).__name__, value


@settings(deadline=None)
@given(documents, refused, st.lists(st.one_of(st.integers(0, 3), st.sampled_from("abc")), max_size=5))
def test_a_value_that_cannot_be_stored_is_found_at_its_path(document: Any, bad: Any, path: list[int | str]) -> None:
    """However deep it lies, among good values, the one bad value is the one problem, with its path."""
    value, where = bad, ""
    for step in reversed(path):
        value = [document] * step + [value] if isinstance(step, int) else {"other": document, step: value}
        where = (f"[{step}]" if isinstance(step, int) else f".{step}") + where
    assert [(problem.field, problem.value is bad) for problem in document_problems(value, "x")] == [
        (f"x{where}", True)
    ]


@settings(deadline=None)
@given(numbers)
@example(Decimal("1E+3"))
@example(Decimal("0E-92"))
@example(10**125)
def test_numbers_keep_every_digit(number: int | Decimal) -> None:
    """A number that is taken is stored and read as the same value, an int exactly where it is whole."""
    assert number_problem(number) is None
    found = read_number(number_text(exact_number(number)))
    assert found == number
    assert isinstance(found, int) == (number == number // 1 if isinstance(number, int) else is_whole(number))


def is_whole(number: Decimal) -> bool:
    """Say by its digits whether a number is whole."""
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    return exponent >= 0 or not any(digits[exponent:])
