"""The gate of the codecs: they are compared with PynamoDB before their first use."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipemodels.transport.errors import ShortcutError
from pipemodels.transport.gate import check_versions, found_right, versions, warn, warning_of, words

if TYPE_CHECKING:
    from pipemodels.codecs.reading import Decoder
    from pipemodels.codecs.writing import Encoder
    from pipemodels.models.base import Model


def encoder(model: type[Model], base: type[Model]) -> Encoder | None:
    """Return the encoder of a model; None if the model overrides how it writes, or encoders failed the comparison."""
    if "encoders" not in _right_codecs(base):
        return None
    from pipemodels.codecs.writing import compile_encoder

    found: Encoder | None = _compiled("encoders", compile_encoder, model, base)
    return found


def decoder(model: type[Model], base: type[Model]) -> Decoder | None:
    """Return the decoder of a model; None if the model overrides how it reads, or decoders failed the comparison."""
    if "decoders" not in _right_codecs(base):
        return None
    from pipemodels.codecs.reading import compile_decoder

    found: Decoder | None = _compiled("decoders", compile_decoder, model, base)
    return found


def _compiled(name: str, compile_codec: Callable[..., Any], model: type[Model], base: type[Model]) -> Any:
    try:
        return compile_codec(model, base)
    except Exception as error:
        warn(f"{model.__qualname__} is left to PynamoDB", {name: words(error)})
        return None


def _right_codecs(base: type[Model]) -> tuple[str, ...]:
    return found_right(("codecs", *versions("pynamodb", "msgspec")), lambda: _codecs_like_pynamodb(base))


def _codecs_like_pynamodb(base: type[Model]) -> tuple[str, ...]:
    """Return the codecs whose results for a sample model equal those of PynamoDB."""
    right: list[str] = []
    with warning_of("items are read and written as PynamoDB does") as problems:
        check_versions("pynamodb", "msgspec")
        from pipemodels.codecs import samples  # it imports names that another msgspec or PynamoDB may lack

        for name, check in (("encoders", samples.check_encoder), ("decoders", samples.check_decoder)):
            try:
                if differs := check(base):
                    raise ShortcutError(differs)
                right.append(name)
            except Exception as error:
                problems[name] = error
    return tuple(right)
