"""What pydantic found wrong with a file, in our words and at its place."""

from collections.abc import Iterable, Sequence, Set
from difflib import get_close_matches
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic_core import ErrorDetails

from antiphon.campaigns.leaks import is_secret_name
from antiphon.campaigns.models import Model
from antiphon.campaigns.places import Document, Path, Spot
from antiphon.campaigns.scalars import Kind, Several
from antiphon.errors import Problem

KEY = "[key]"  # pydantic's mark for an error of a mapping's key
_LIMITS = {
    "greater_than": ("gt", "must be more than"),
    "greater_than_equal": ("ge", "must be at least"),
    "less_than": ("lt", "must be less than"),
    "less_than_equal": ("le", "must be at most"),
}


def nearest(word: str, allowed: Iterable[str]) -> str:
    """'Did you mean …? Allowed here: …'."""
    names = sorted(allowed)
    close = _meant(word, names)
    guess = f"Did you mean {close!r}? " if close else ""
    return f"{guess}Allowed here: {', '.join(names)}."


def complaints(
    document: Document, model: type[Model], details: Sequence[ErrorDetails]
) -> list[Problem]:
    """One problem for each mistake that pydantic found, in its order."""
    details = _once(model, details)
    meant = {
        (*detail["loc"][:-1], _meant(str(detail["loc"][-1]), _keys_at(model, detail["loc"][:-1])))
        for detail in details
        if detail["type"] == "extra_forbidden"
    }
    return [
        _complaint(document, model, detail)
        for detail in details
        if not _is_consequence(detail, meant)
    ]


def _once(model: type[Model], details: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Without what is said of each type that a value might have: the value is at one place."""
    found: dict[Path, ErrorDetails] = {}
    for detail in details:
        path = detail["loc"]
        if detail["type"] != "extra_forbidden" and path[-1] != KEY:
            while len(path) > 1 and annotation_at(model, path) is None:
                path = path[:-1]
        found.setdefault(path, {**detail, "loc": path})
    return list(found.values())


def _is_consequence(detail: ErrorDetails, meant: Set[tuple[str | int, ...]]) -> bool:
    """Whether another complaint says it: a key written wrongly, items that are each wrong."""
    if detail["type"] == "missing":
        return detail["loc"] in meant
    return detail["type"] == "too_short" and bool(detail["input"])


def _meant(word: str, names: Sequence[str]) -> str:
    """The nearest of the names; empty where none is near."""
    close = get_close_matches(word, sorted(names), n=1)
    return close[0] if close else ""


def _complaint(document: Document, model: type[Model], detail: ErrorDetails) -> Problem:
    kind, path, value = detail["type"], detail["loc"], detail["input"]
    if kind == "extra_forbidden":
        return _unknown_key(document, model, path)
    if kind == "missing":
        return _missing_key(document, model, path)
    if path[-1] == KEY:
        return _wrong_key(document, model, detail)
    word = word_spot(document, path)
    spot = word or (document.key_spot(path) if value is None else document.value_spot(path))
    name = _name(path[:-1] if word else path)
    return document.problem_at(spot, *_wrong_value(detail, name, annotation_at(model, path)))


def word_spot(document: Document, path: Path) -> Spot | None:
    """The place of an item that was typed as a word among others: `channel: email, sms`."""
    scalar, number = document.scalars.get(path[:-1]), path[-1]
    if scalar is None or not isinstance(number, int):
        return None
    text = scalar.text.strip()
    words = text.split(",")[: number + 1]
    start = len(",".join(words)) - len(words[-1].lstrip())
    line = text.count("\n", 0, start) + 1
    return document.text_spot(path[:-1], Spot(line, start - text.rfind("\n", 0, start)))


def _wrong_value(detail: ErrorDetails, name: str, expected: Any) -> tuple[str, str]:
    """Message and hint."""
    kind, value = detail["type"], detail["input"]
    hint = f"Write {words(expected)}."
    if value is None:
        message = f"{name} has no value"
        hint = f"Write {words(expected)}, or remove the line."
    elif kind == "too_short":
        message = f"{name} is empty"
    elif kind == "value_error":
        message, hint = f"{name}: {_reason(detail)}", ""
    elif kind == "literal_error" and isinstance(value, str):
        message = f"{name} cannot be {_short(value)!r}"
        hint = nearest(_short(value), choices(expected))
    elif kind in _LIMITS:
        key, relation = _LIMITS[kind]
        message = f"{name} {relation} {_limit(detail, key)}"
    else:
        message, hint = _wrong_type(name, value, expected)
    return message, hint


def _unknown_key(document: Document, model: type[Model], path: Path) -> Problem:
    key = str(path[-1])
    hint = nearest(key, _keys_at(model, path[:-1]))
    if is_secret_name(key):
        hint = f"Secrets come from the environment, never from a file. {hint}"
    return document.problem_at(document.key_spot(path), f"unknown key {_short(key)!r}", hint)


def _wrong_key(document: Document, model: type[Model], detail: ErrorDetails) -> Problem:
    """A name in a mapping of the user's own names."""
    path = detail["loc"][:-1]
    spot, name = document.key_spot(path), _short(str(path[-1]))
    known = choices(get_args(_plain(annotation_at(model, path[:-1])))[0])
    if known:
        return document.problem_at(spot, f"unknown key {name!r}", nearest(name, known))
    return document.problem_at(spot, f"{name!r}: {_reason(detail)}")


def _missing_key(document: Document, model: type[Model], path: Path) -> Problem:
    around = path[:-1]
    place = f" in {_name(around)}" if around else ""
    hint = f"Write '{path[-1]}:' and {words(annotation_at(model, path))}."
    return document.problem_at(
        document.key_spot(around), f"the key {str(path[-1])!r} is missing{place}", hint
    )


def _wrong_type(name: str, value: Any, expected: Any) -> tuple[str, str]:
    given = "keys and values" if isinstance(value, dict) else "one value"
    given = "a list" if isinstance(value, list) else given
    wanted = words(expected)
    is_list = get_origin(_plain(expected)) is tuple and isinstance(value, str)
    hint = f"Write [{_short(value)}]." if is_list else ""
    return f"{name} takes {wanted}, not {given}", hint


def _reason(detail: ErrorDetails) -> str:
    return str(detail.get("ctx", {}).get("error", detail["msg"]))


def _limit(detail: ErrorDetails, key: str) -> str:
    limit = str(detail.get("ctx", {})[key])
    return "zero" if limit == "datetime.timedelta(0)" else limit


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:60] + "…"


def _name(path: Path) -> str:
    """The last key, with the number of the list's item where there is one."""
    if isinstance(path[-1], int):
        return f"item {path[-1] + 1} of {_name(path[:-1])}" if path[:-1] else "item"
    return f"'{_short(path[-1])}'"


# ------------------------------------------------------------ what the models allow


@cache
def fields(model: type[Model]) -> dict[str, Any]:
    """Key as written in YAML → annotation with all its metadata."""
    hints = get_type_hints(model, include_extras=True)
    return {info.alias or name: hints[name] for name, info in model.model_fields.items()}


def annotation_at(model: type[Model], path: Path) -> Any:
    """The annotation of the value at the path; None where the models know of none."""
    found: Any = model
    for step in path:
        found = _plain(found)
        if _is_model(found):
            found = fields(found).get(str(step))
        elif get_origin(found) is dict:
            found = get_args(found)[1]
        elif get_origin(found) is tuple:
            found = get_args(found)[0]
        else:
            return None
    return found


def choices(annotation: Any) -> tuple[str, ...]:
    """The values of a literal."""
    plain = _plain(annotation)
    return get_args(plain) if get_origin(plain) is Literal else ()


def words(annotation: Any) -> str:
    """What the value may be, in words that follow 'Write …'."""
    plain = _plain(annotation, keep_kind=True)
    if get_origin(plain) is Annotated:
        return _annotated_words(plain)
    if _is_model(plain):
        return f"keys below it ({', '.join(_keys(plain))})"
    if get_origin(plain) is dict:
        return "lines of 'name: …' below it"
    if get_origin(plain) is tuple:
        inner = get_args(plain)[0]
        return f"a list of {', '.join(choices(inner))}" if choices(inner) else "a list"
    if choices(plain):
        return f"one of {', '.join(choices(plain))}"
    return "a value"


def _annotated_words(annotation: Any) -> str:
    for one in annotation.__metadata__:
        if isinstance(one, Kind):
            return one.words
        if isinstance(one, Several):
            return f"{words(get_args(_plain(annotation))[0])}; or a list of such"
    return words(get_args(annotation)[0])


def _keys(annotation: Any) -> list[str]:
    plain = _plain(annotation)
    return list(fields(plain)) if _is_model(plain) else []


def _keys_at(model: type[Model], path: Path) -> list[str]:
    return _keys(annotation_at(model, path))


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Model)


def _plain(annotation: Any, *, keep_kind: bool = False) -> Any:
    """Without `| None` and, unless `keep_kind`, without the metadata of Annotated."""
    while True:
        if get_origin(annotation) in (Union, UnionType):
            annotation = next(one for one in get_args(annotation) if one is not NoneType)
        elif get_origin(annotation) is Annotated and not keep_kind:
            annotation = get_args(annotation)[0]
        else:
            return annotation
