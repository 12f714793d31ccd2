"""What a template may say: the sandbox, its filters and tests, and their types."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from jinja2 import BaseLoader, StrictUndefined, Undefined
from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS as JINJA_TESTS

from antiphon.entities import ColumnType
from antiphon.message.values import Null, Record

T = ColumnType
NUMBERS = frozenset({T.INTEGER, T.NUMBER, T.MONEY})
TEXTS = frozenset({T.TEXT})


@dataclass(frozen=True, slots=True)
class FilterRule:
    """Types a filter takes (None: any) and what it gives (None: the same type as it took)."""

    takes: frozenset[T] | None
    gives: T | None
    hint: str = ""


_TEXT_RULE = FilterRule(TEXTS, T.TEXT)
FILTERS: Mapping[str, FilterRule] = {
    "money": FilterRule(NUMBERS, T.TEXT),
    "number": FilterRule(NUMBERS, T.TEXT),
    "percent": FilterRule(NUMBERS, T.TEXT, "It takes a fraction: 0.15 is 15 %."),
    "date": FilterRule(frozenset({T.DAY}), T.TEXT, "For an instant use the filter datetime."),
    "datetime": FilterRule(frozenset({T.INSTANT}), T.TEXT, "For a day use the filter date."),
    "plural": FilterRule(NUMBERS, T.TEXT),
    "listing": FilterRule(None, T.TEXT),
    "link": _TEXT_RULE,
    "default": FilterRule(None, None),
    "d": FilterRule(None, None),
    "round": FilterRule(NUMBERS, T.NUMBER),
    "abs": FilterRule(NUMBERS, None),
    "int": FilterRule(NUMBERS, T.INTEGER),
    "length": FilterRule(None, T.INTEGER),
    "count": FilterRule(None, T.INTEGER),
    **dict.fromkeys(
        ("upper", "lower", "capitalize", "title", "trim", "truncate", "replace"), _TEXT_RULE
    ),
    **dict.fromkeys(("wordwrap", "urlencode", "e", "escape"), _TEXT_RULE),
}
TESTS = (
    *("defined", "undefined", "none", "odd", "even", "divisibleby", "in"),
    *("eq", "ne", "gt", "ge", "lt", "le", "==", "!=", ">", ">=", "<", "<="),
)


class TemplateLanguage(ImmutableSandboxedEnvironment):
    """A sandbox with our filters and tests only, and no functions at all but macros."""

    def __init__(
        self,
        loader: BaseLoader | None = None,
        filters: Mapping[str, Callable[..., Any]] | None = None,
        html: bool = False,
        finalize: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(
            loader=loader,
            autoescape=html,
            undefined=StrictUndefined,
            finalize=finalize or printable,
            trim_blocks=True,
            lstrip_blocks=True,
            cache_size=-1,
            auto_reload=False,
        )
        own = dict(filters or {})
        self.filters = {name: own.get(name) or JINJA_FILTERS.get(name, _bound) for name in FILTERS}
        self.tests = {name: JINJA_TESTS[name] for name in TESTS}
        self.tests |= {"none": _is_none, "defined": _is_defined, "undefined": _is_undefined}
        self.globals = {}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A field of a record; anything else as the sandbox allows."""
        if type(obj) is Record and attribute in obj.fields:
            return obj.fields[attribute]
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """`customer['age']` means `customer.age`."""
        if type(obj) is Record and argument in obj.fields:
            return obj.fields[argument]
        return super().getitem(obj, argument)


def _bound(*_: object) -> NoReturn:
    raise NotImplementedError("this environment only parses; filters are bound to a language")


def printable(value: Any) -> Any:
    """The value, unless it is a null: that holds the message back, by its name."""
    if type(value) is Null:
        str(value)
    return value


def _is_none(value: object) -> bool:
    return value is None or isinstance(value, Null)


def _is_undefined(value: object) -> bool:
    return isinstance(value, Undefined | Null)


def _is_defined(value: object) -> bool:
    return not _is_undefined(value)
