"""Parses, reads and writes JSON with `_json`, the C part of `json`, because `json` itself imports `re`."""

from __future__ import annotations

import _json
import sys

from circuit_breaker.runtime import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    Kind = TypeVar("Kind")

FILE_MAX = 1 << 22  # bytes of a file that are read
_BLANKS = " \t\r\n"


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


# types.SimpleNamespace: a class of our own would be built at every start
_Namespace: Any = type(sys.implementation)
# Options of the C scanner: strict as in `json.JSONDecoder`, without NaN and infinities. (`array_hook`: from Python 3.15 on.)
_STRICT = _Namespace(
    strict=True,
    object_hook=None,
    object_pairs_hook=None,
    array_hook=None,
    parse_float=float,
    parse_int=int,
    parse_constant=_no_constant,
    memo={},
)


def parse(data: bytes | str) -> Any:
    """The value of one JSON text (bytes: UTF-8; a BOM is skipped). Raises ValueError, also if it is nested too deeply."""
    text = data if isinstance(data, str) else data.decode("utf-8")
    text = text.lstrip("\ufeff").strip(_BLANKS)
    try:
        value, end = _scanner()(text, 0)
    except StopIteration as stop:
        raise ValueError(f"not JSON at character {stop.value}") from None
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None
    except SystemError:  # from 3.10 and 3.11, if `json.decoder` is not imported
        raise ValueError("not JSON") from None
    if end != len(text):
        raise ValueError(f"more than one JSON value (character {end})")
    return value


def _scanner() -> Any:
    """The C scanner; on a Python whose scanner asks for options that are not known here, that of `json`."""
    try:
        return _json.make_scanner(_STRICT)
    except (AttributeError, TypeError):
        from json import JSONDecoder

        return JSONDecoder(parse_constant=_no_constant).raw_decode


def parse_object(data: bytes | str) -> dict[str, Any]:
    """The same for a text that has to be a JSON object. Raises ValueError."""
    value = parse(data)
    if not isinstance(value, dict):
        raise ValueError(f"no JSON object but {type(value).__name__}")
    return value


def object_of(data: bytes | str) -> dict[str, Any]:
    """The same; {} for any other text."""
    try:
        return parse_object(data)
    except ValueError:
        return {}


def object_in(path: str) -> dict[str, Any]:
    """The object in a JSON file; {} if it is missing, cannot be read or holds none. Links are followed."""
    return object_of(files.part(path, 0, FILE_MAX)[0])


def only(kind: type[Kind], value: object) -> Kind:
    """A value of another program's JSON if it is of this kind, else an empty one of the kind."""
    return value if isinstance(value, kind) else kind()


def dump(value: Any) -> bytes:
    """`value` as one line of ASCII JSON. Raises ValueError for NaN, other types and nesting that is too deep."""
    encode = _encoder()
    try:
        return "".join(encode(value, 0)).encode("ascii")
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _encoder() -> Any:
    """The C encoder; on a Python whose encoder is made in another way, that of `json`."""
    try:
        return _json.make_encoder(
            None, _refuse, _json.encode_basestring_ascii, None, ":", ",", False, False, False
        )
    except (AttributeError, TypeError):
        from json import JSONEncoder

        encoder = JSONEncoder(check_circular=False, allow_nan=False, separators=(",", ":"), default=_refuse)
        return lambda value, _: encoder.iterencode(value)


def _refuse(value: object) -> object:
    raise ValueError(f"{type(value).__name__} is not JSON")
