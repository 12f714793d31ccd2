"""Filters that write values as a language writes them, by Babel's CLDR data."""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_skeleton
from babel.lists import format_list
from babel.numbers import format_currency, format_decimal, format_percent
from jinja2 import Undefined, pass_context
from jinja2.runtime import Context

from antiphon.message.values import Null

DATE_STYLES = ("short", "medium", "long", "full", "day_month", "month", "weekday")
_SKELETONS = {"day_month": "MMMMd", "month": "yMMMM"}
PLURAL_ORDER = ("zero", "one", "two", "few", "many", "other")
_PATTERNS = {"weekday": "EEEE"}
_REMEMBERED = 16_384  # formatted values kept per language; Babel takes 10–60 µs for a new one

Number = int | float | Decimal


def locale_of(language: str, country: str = "") -> Locale:
    """How a language is written in a country, or in general; UnknownLocaleError if not known."""
    try:
        return Locale.parse(f"{language}-{country}", sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale.parse(language, sep="-")


def is_known(language: str) -> bool:
    """Whether CLDR knows the language."""
    try:
        locale_of(language)
    except (UnknownLocaleError, ValueError):
        return False
    return True


def plural_forms(language: str) -> tuple[str, ...]:
    """CLDR plural categories in order: one, other in English; one, few, many, other in Russian."""
    tags = locale_of(language).plural_form.tags | {"other"}
    return tuple(tag for tag in PLURAL_ORDER if tag in tags)


class Formats:
    """The filters of one language. A null goes through them unchanged."""

    def __init__(self, language: str, country: str, currency: str, timezone: str) -> None:
        self.locale = locale_of(language, country)
        self.forms = plural_forms(language)
        self.currency = currency
        self.timezone = timezone
        self._money = lru_cache(_REMEMBERED)(self._format_money)
        self._number = lru_cache(_REMEMBERED)(self._format_number)
        self._date = lru_cache(_REMEMBERED)(self._format_date)

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name in templates → function."""
        return {
            "money": self.money,
            "number": self.number,
            "percent": self.percent,
            "date": self.day,
            "datetime": self.instant,
            "plural": self.plural,
            "listing": self.listing,
            "default": default,
            "d": default,
        }

    def money(self, value: Number | Null) -> str | Null:
        """An amount in the company's currency: 1.234,50 €."""
        return value if isinstance(value, Null) else self._money(Decimal(str(value)))

    def number(self, value: Number | Null, decimals: int = 0) -> str | Null:
        """A number with separators, rounded to `decimals` places at most: 1.234."""
        return value if isinstance(value, Null) else self._number(Decimal(str(value)), decimals)

    def percent(self, value: Number | Null) -> str | Null:
        """A fraction as a percentage: 0.15 is 15 %."""
        if isinstance(value, Null):
            return value
        return str(format_percent(Decimal(str(value)), locale=self.locale))

    def day(self, value: date | Null, style: str = "medium") -> str | Null:
        """A day, in one of DATE_STYLES."""
        return value if isinstance(value, Null) else self._date(value, style)

    @pass_context
    def instant(self, context: Context, value: datetime | Null, style: str = "medium") -> Any:
        """An instant in the customer's own time zone, or the business's where that is null."""
        if isinstance(value, Null):
            return value
        customer = context.resolve("customer")
        zone = getattr(customer, "fields", {}).get("timezone") or self.timezone
        return str(
            format_datetime(value.astimezone(ZoneInfo(str(zone))), style, locale=self.locale)
        )

    def plural(self, value: Number | Null, *forms: str, **named: str) -> str | Null:
        """The form for a count, `#` standing for it; forms in the order of `plural_forms`.

        `other` (fractions in Russian) may be left out: the last form then serves.
        """
        if isinstance(value, Null):
            return value
        tag = self.locale.plural_form(value)
        if named:
            form = named.get(tag) or named["other"]
        else:
            form = forms[min(self.forms.index(tag), len(forms) - 1)]
        return form.replace("#", str(self.number(value, 2)))

    def listing(self, values: Iterable[object]) -> str:
        """Items joined as the language does: a, b und c."""
        return str(format_list([str(value) for value in values], locale=self.locale))

    def _format_money(self, value: Decimal) -> str:
        return str(format_currency(value, self.currency, locale=self.locale))

    def _format_number(self, value: Decimal, decimals: int) -> str:
        return str(format_decimal(round(value, decimals), locale=self.locale))

    def _format_date(self, value: date, style: str) -> str:
        if style in _SKELETONS:
            return str(format_skeleton(_SKELETONS[style], value, locale=self.locale))
        return str(format_date(value, _PATTERNS.get(style, style), locale=self.locale))


def default(value: object, instead: object = "", even_if_false: bool = False) -> object:
    """`instead`, where the value is null (or, when asked, false or empty)."""
    missing = isinstance(value, Null | Undefined) or value is None
    return instead if missing or (even_if_false and not value) else value
