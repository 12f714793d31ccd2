"""The validation contract: the user's list of expectations, understood.

The same list (`rules.RULES`) says what `check` accepts, what both executors (`suite`,
`predicates`) are given and what docs/validation.md shows. This module needs neither Great
Expectations, nor pandas, nor the lake's engine.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from antiphon.campaigns.models import Expectation, Expectations, OnFailure
from antiphon.entities import ENTITIES, Column, ColumnType
from antiphon.validation.arguments import (
    Argument,
    DaysFromRun,
    Reference,
    ShareOfPrevious,
    Value,
    convert,
)
from antiphon.validation.rules import RULES, Rule, Scope

ORDER = (
    "products",
    "customers",
    "orders",
    "order_lines",
    "events",
    "notices",
    "responses",
    "consents",
)
"""Entities in the order they are validated: a reference sees the clean rows of earlier ones."""


@dataclass(frozen=True, slots=True)
class Check:
    """One understood expectation of an entity's list.

    `id` is unique within a run. `mostly`: share of the non-null values that must hold (1: all).
    `types` are those of `columns`, in order.
    """

    id: str
    rule: Rule
    on_failure: OnFailure
    reason: str
    columns: tuple[str, ...]
    types: tuple[ColumnType, ...]
    arguments: Mapping[str, Value] = field(default_factory=dict)
    mostly: Decimal = Decimal(1)

    @property
    def reference(self) -> Reference | None:
        """The other entity's column, where the rule is a reference."""
        value = self.arguments.get("value_set")
        return value if isinstance(value, Reference) else None

    @property
    def scope(self) -> Scope:
        """As the rule's; a reference needs all keys."""
        return Scope.KEY if self.reference else self.rule.scope


@dataclass(frozen=True, slots=True)
class ContractProblem:
    """What is wrong with expectation number `index` (from 0) of the file, at its key `key`."""

    index: int
    key: str
    message: str
    hint: str = ""


def read(
    entity: str, expectations: Expectations, attributes: Mapping[str, ColumnType]
) -> tuple[list[Check], list[ContractProblem]]:
    """The entity's list, understood, and everything wrong with it.

    The list begins with the unwritten rules: a required column is never null (quarantine).
    `attributes`: the user's own columns of the entity and their types.
    """
    columns = {column.name: column.type for column in ENTITIES[entity].columns} | dict(attributes)
    problems: list[ContractProblem] = []
    written: list[Check] = []
    for index, expectation in enumerate(expectations.expectations):
        reader = _Reader(entity, index, expectation, columns, [])
        check = reader.check()
        problems += reader.problems
        if check and not reader.problems:
            written.append(check)
    return [*_unwritten(entity, written), *written], problems


def _unwritten(entity: str, written: Sequence[Check]) -> list[Check]:
    rule = RULES["expect_column_values_to_not_be_null"]
    covered = {
        check.columns[0] for check in written if check.rule is rule and check.on_failure != "warn"
    }

    def check(column: Column) -> Check:
        reason = f"{column.name} is missing"
        return Check(
            f"{entity}.{column.name}", rule, "quarantine", reason, (column.name,), (column.type,)
        )

    return [
        check(column)
        for column in ENTITIES[entity].columns
        if column.required and column.name not in covered
    ]


@dataclass
class _Reader:
    """Reads one expectation and collects what is wrong with it."""

    entity: str
    index: int
    expectation: Expectation
    known: Mapping[str, ColumnType]
    problems: list[ContractProblem]

    def problem(self, key: str, message: str, hint: str = "") -> None:
        self.problems.append(ContractProblem(self.index, key, message, hint))

    def check(self) -> Check | None:
        name, given = self.expectation.expect, dict(self.expectation.model_extra or {})
        rule = RULES.get(name)
        if rule is None:
            self.problem("expect", f"unknown expectation {name!r}", nearest(name, RULES))
            return None
        self._names(rule, given)
        columns = self._columns(rule, given)
        types = tuple(self.known[column] for column in columns)
        arguments = self._values(rule, given, types[0] if types else None)
        mostly = self._mostly(rule, given)
        if self.expectation.on_failure == "quarantine":
            self._may_quarantine(rule, mostly)
        self._bounds(arguments)
        if self.problems:
            return None
        reason = self.expectation.reason or _default_reason(rule, columns)
        id_ = f"{self.entity}.{self.index + 1}"
        on_failure = self.expectation.on_failure
        return Check(id_, rule, on_failure, reason, columns, types, arguments, mostly)

    def _names(self, rule: Rule, given: Mapping[str, Any]) -> None:
        for key in given:
            if key not in rule.allowed:
                self.problem(key, f"unknown argument {key!r}", nearest(key, rule.allowed))
        for key in rule.required:
            if given.get(key) is None:
                self.problem("expect", f"{rule.name} needs {key!r}")
        if rule.one_of and all(given.get(key) is None for key in rule.one_of):
            self.problem("expect", f"{rule.name} needs {' or '.join(map(repr, rule.one_of))}")

    def _columns(self, rule: Rule, given: Mapping[str, Any]) -> tuple[str, ...]:
        named: list[tuple[str, str]] = []
        for key, kind in rule.arguments.items():
            value = given.get(key)
            if value is None or kind not in (Argument.COLUMN, Argument.COLUMNS):
                continue
            values = value if isinstance(value, list | tuple) else [value]
            if kind is Argument.COLUMN and not isinstance(value, str):
                self.problem(key, "write the name of one column")
            elif kind is Argument.COLUMNS and len(values) < 2:
                self.problem(key, "write a list of at least two columns")
            else:
                named += [(key, str(name)) for name in values]
        good = [name for key, name in named if self._column(rule, key, name)]
        if len(good) < len(named):
            return ()
        if len(set(good)) < len(good):
            self.problem(named[-1][0], "the same column twice")
        if "column_A" in rule.arguments and len({self.known[name] for name in good}) > 1:
            self.problem("column_B", "both columns must be of the same type")
        return tuple(good)

    def _column(self, rule: Rule, key: str, name: str) -> bool:
        if name not in self.known:
            hint = nearest(name, self.known)
            self.problem(key, f"{self.entity} has no column {name!r}", hint)
            return False
        if self.known[name] not in rule.types:
            allowed = ", ".join(sorted(type_.name.lower() for type_ in rule.types))
            message = f"{name} is {self.known[name].name.lower()}, which {rule.name} does not judge"
            self.problem(key, message, f"Allowed here: columns of type {allowed}.")
            return False
        return True

    def _values(
        self, rule: Rule, given: Mapping[str, Any], type_: ColumnType | None
    ) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for key, kind in rule.arguments.items():
            if kind in (Argument.COLUMN, Argument.COLUMNS) or given.get(key) is None:
                continue
            if type_ is None and "column" in rule.arguments:
                continue  # the column is unknown, which has been said
            try:
                values[key] = convert(given[key], kind, type_)
            except ValueError as error:
                self.problem(key, str(error))
        reference = values.get("value_set")
        if isinstance(reference, Reference) and type_ is not None:
            self._reference(reference, type_)
        return values

    def _reference(self, reference: Reference, type_: ColumnType) -> None:
        earlier = ORDER[: ORDER.index(self.entity)]
        if reference.entity not in earlier:
            message = f"{self.entity} cannot refer to {reference.entity!r}"
            allowed = ", ".join(earlier) or "nothing, as it is validated first"
            self.problem("value_set", message, f"It may refer to {allowed}.")
            return
        column = ENTITIES[reference.entity].column(reference.column)
        if column is None:
            names = [column.name for column in ENTITIES[reference.entity].columns]
            message = f"{reference.entity} has no column {reference.column!r}"
            self.problem("value_set", message, nearest(reference.column, names))
        elif column.type is not type_:
            self.problem("value_set", "a reference must be to a column of the same type")

    def _mostly(self, rule: Rule, given: Mapping[str, Any]) -> Decimal:
        value = given.get("mostly")
        if value is None or not rule.takes_mostly:
            return Decimal(1)
        try:
            share = convert(value, Argument.SHARE, None)
        except ValueError as error:
            self.problem("mostly", str(error))
            return Decimal(1)
        assert isinstance(share, Decimal)
        return share

    def _may_quarantine(self, rule: Rule, mostly: Decimal) -> None:
        if not rule.compiled:
            message = f"{rule.name} cannot name the failing rows, so it cannot quarantine"
            self.problem("on_failure", message, "Write `warn` or `stop`.")
        if mostly != 1:
            hint = "Drop `mostly`, or write `warn` or `stop`."
            self.problem("mostly", "quarantine takes out every failing row", hint)

    def _bounds(self, arguments: Mapping[str, Value]) -> None:
        low, high = arguments.get("min_value"), arguments.get("max_value")
        if low is None or high is None or type(low) is not type(high):
            return
        if isinstance(low, DaysFromRun) and isinstance(high, DaysFromRun):
            wrong = low.days > high.days
        elif isinstance(low, ShareOfPrevious) and isinstance(high, ShareOfPrevious):
            wrong = low.share > high.share
        else:
            assert isinstance(low, int | float | Decimal | date | datetime)
            wrong = low > high  # type: ignore[operator]
        if wrong:
            self.problem("max_value", "max_value is less than min_value")


def _default_reason(rule: Rule, columns: Sequence[str]) -> str:
    words = rule.name.removeprefix("expect_").replace("_", " ")
    return f"{', '.join(columns)}: {words}" if columns else words


def nearest(word: str, allowed: Mapping[str, Any] | Sequence[str]) -> str:
    """'Did you mean …? Allowed here: …' for an unknown name."""
    names = sorted(allowed)
    close = difflib.get_close_matches(word, names, n=1)
    guess = f"Did you mean {close[0]!r}? " if close else ""
    return f"{guess}Allowed here: {', '.join(names)}."
