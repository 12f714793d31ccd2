"""A hundred campaigns with varied audiences, as SQL for Antiphon and as masks for pandas.

The sizes lie between 0.1 % and 20 % of all customers and sum up to about four candidates a
customer, as measured: RESULTS.md prints the sum of the run.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CATEGORIES = ("vitamins", "skin care", "baby", "pain relief", "allergy", "dental care")
CITIES = ("Berlin", "Hamburg", "Köln", "Leipzig")

Value = int | str | tuple[int, int] | tuple[str, ...]


@dataclass(frozen=True)
class Term:
    """One comparison; `between` holds both ends, `in` a list. Nulls are never in."""

    column: str
    operator: str
    value: Value

    def sql(self) -> str:
        """As a marketer writes it."""
        value = self.value
        if self.operator == "between":
            assert isinstance(value, tuple)
            return f"{self.column} between {value[0]} and {value[1]}"
        if isinstance(value, tuple):
            listed = ", ".join(f"'{one}'" for one in value)
            return f"{self.column} in ({listed})"
        return f"{self.column} {self.operator} " + (
            f"'{value}'" if isinstance(value, str) else str(value)
        )

    def mask(self, frame: Mapping[str, Any]) -> Any:
        """As an analyst writes it in pandas."""
        column, value = frame[self.column], self.value
        match self.operator, value:
            case "between", (low, high):
                return (column >= low) & (column <= high)
            case "in", tuple():
                return column.isin(value)
            case ">=", _:
                return column >= value
            case "<", _:
                return column < value
        return column == value


@dataclass(frozen=True)
class Plan:
    """One campaign of the bench: its policy class, what it competes with, and for whom it is."""

    name: str
    category: str
    priority: int
    repeat_days: int | None
    terms: tuple[Term, ...]

    @property
    def where(self) -> str:
        """The condition in SQL."""
        return " and ".join(term.sql() for term in self.terms)

    def mask(self, frame: Mapping[str, Any]) -> Any:
        """The condition in pandas."""
        mask = self.terms[0].mask(frame)
        for term in self.terms[1:]:
            mask = mask & term.mask(frame)
        return mask


def plans() -> list[Plan]:
    """The hundred campaigns, by name."""
    found: list[Plan] = []
    numbers = Counter[str]()

    def add(family: str, category: str, priority: int, repeat: int | None, *terms: Term) -> None:
        numbers[family] += 1
        name = f"{family}-{numbers[family]}"
        found.append(Plan(name, category, priority, repeat, terms))

    for days in range(60, 360, 30):
        window = Term("days_since_order", "between", (days, days + 29))
        add("winback", "promo", 60, 90, Term("order_count", ">=", 3), window)
    for category in CATEGORIES:
        fans = Term("favourite_category", "=", category)
        add("fans", "promo", 40, 30, fans, Term("order_count_365d", ">=", 2))
        add("quiet-fans", "promo", 35, 60, fans, Term("days_since_order", ">=", 120))
        add("basket", "promo", 45, 30, fans, Term("average_order", ">=", 35))
    for spend in (200, 225, 250, 275, 300, 350, 400, 500, 600, 700):
        add("vip", "lifecycle", 70, 90, Term("spend_365d", ">=", spend))
    for city in CITIES:
        there = Term("city", "=", city)
        for age in ((18, 35), (36, 55), (56, 99)):
            add("city", "promo", 30, 30, there, Term("age", "between", age))
    for day in range(8):
        add("birthday", "lifecycle", 90, 360, Term("days_to_birthday", "=", day))
    for days in (3, 7, 14, 28, 42, 56, 70, 90):
        joined = Term("days_since_registration", "between", (days // 2, days))
        add("welcome", "lifecycle", 80, None, joined)
    for days in (1, 3, 7, 14):
        left = Term("days_since_cart_abandoned", "between", (0, days))
        add("cart", "lifecycle", 85, 14, left)
        add("cart-buyer", "promo", 84, 14, left, Term("order_count_90d", ">=", 1))
    for days in range(14, 182, 21):
        once = Term("order_count", "=", 1)
        window = Term("days_since_order", "between", (days, days + 60))
        add("second", "promo", 55, 90, once, window)
    for days in (20, 25, 30, 35):
        again = Term("days_since_order", "between", (days, days + 4))
        add("refill", "service", 50, 60, Term("order_count_90d", ">=", 2), again)
    for category in CATEGORIES:
        both = Term("favourite_category", "in", (category, "sport"))
        add("season", "promo", 25, 30, both, Term("contact_count_30d", "<", 3))
    for sex in ("f", "m"):
        for language in ("de", "en"):
            active = (Term("order_count_90d", ">=", 2), Term("contact_count_30d", "<", 4))
            who = (Term("sex", "=", sex), Term("language", "=", language))
            add("letter", "promo", 10, 7, *active, *who)
    for spend in (20, 50, 100, 150):
        rested = Term("days_since_order", ">=", 365)
        add("dormant", "promo", 20, 180, rested, Term("spend_total", ">=", spend))
    return sorted(found, key=lambda plan: plan.name)
