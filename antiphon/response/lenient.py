"""JSON of a provider in which one event is broken: read so that its good neighbours are."""

import json
import re
from typing import Any

import orjson

from antiphon.response.events import Unreadable

_ESCAPED_NUL = b"\\u0000"  # JSON, and yet no text that every database takes
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
_LARGEST = 2**63


def read_json(body: bytes) -> Any:
    """What the body says, fit to be stored: half characters and NUL are replaced by U+FFFD.

    What is no strict JSON (NaN, control characters, bytes that are no UTF-8) is read as far as
    Python's own reader takes it. Raises Unreadable.
    """
    try:
        told = orjson.loads(body)
        return _clean(told) if _ESCAPED_NUL in body else told
    except orjson.JSONDecodeError:
        pass
    except RecursionError:
        raise Unreadable("no JSON") from None
    try:
        return _clean(json.loads(body.decode("utf-8-sig", "replace"), strict=False))
    except (ValueError, RecursionError):
        raise Unreadable("no JSON") from None


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _NO_TEXT.sub("\ufffd", value)
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if isinstance(value, dict):
        return {_clean(name): _clean(one) for name, one in value.items()}
    if isinstance(value, int) and abs(value) >= _LARGEST:
        return float(value) if abs(value) < 10**300 else None
    return value
