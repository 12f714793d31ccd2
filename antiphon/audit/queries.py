"""What a check of the auditor is, and the pieces of SQL that several of them share."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Cap, Policy, PolicyRule
from antiphon.campaigns.touches import Touch
from antiphon.policy.moment import Moment
from antiphon.policy.terms import Terms
from antiphon.quoting import literal, quoted

R = TypeVar("R", bound=PolicyRule)
Ask = Callable[[str, Mapping[str, object] | None], Sequence[Sequence[Any]]]


@dataclass(frozen=True)
class AuditQuery:
    """One check, or (`makes`) a temporary table that later checks read; in this order.

    A check returns breaches: rule, message_id, found, allowed. `parameters` are the named
    parameters ($name) that `sql` uses.
    """

    rule: str
    sql: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    makes: str = ""


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that does not hold. `message_id` is null where it is not one message's."""

    rule: str
    message_id: str | None
    found: float
    allowed: float


def table(name: str, select: str, parameters: Mapping[str, object] | None = None) -> AuditQuery:
    """A temporary table, once for all checks that read it."""
    return AuditQuery(
        "", f"CREATE OR REPLACE TEMP TABLE {name} AS {select}", parameters or {}, name
    )


def find_breaches(queries: Iterable[AuditQuery], ask: Ask) -> list[Breach]:
    """Asks every query in order; `ask` runs SQL with its named parameters (None: it has none)."""
    found = []
    for query in queries:
        rows = ask(query.sql, dict(query.parameters) or None)
        found += [] if query.makes else [Breach(*row) for row in rows]
    return found


@dataclass(frozen=True)
class Basis:
    """What the checks are written from.

    `known`: every campaign of the configuration, whether it runs today or not: their tags and
    offers tell which contacts a rule counts. `late`: campaign → messages held after arms were
    drawn (a null that would be printed, a budget). `has_frame`: whether the run's customer
    frame and occasions are there; without them rules that ask for them are left out.
    `is_rehearsal`: links may lead to this machine itself, which has no certificate.
    """

    touches: Sequence[Touch]
    policy: Policy
    moment: Moment
    salt: str
    terms: Terms
    known: Sequence[Campaign]
    late: Mapping[str, int] = field(default_factory=dict)
    has_frame: bool = True
    is_rehearsal: bool = False

    @property
    def campaigns(self) -> list[Campaign]:
        """Those that may speak today, each once."""
        return list({touch.name: touch.campaign for touch in self.touches}.values())

    def in_force(self, rules: Iterable[R]) -> list[R]:
        """Those that hold on the business day and can be asked."""
        day = self.moment.business_day
        asked = [rule for rule in rules if rule.holds_on(day)]
        return asked if self.has_frame else [rule for rule in asked if not needs_frame(rule)]

    def tagged(self, tags: Collection[str]) -> list[str]:
        """Campaigns with one of the tags."""
        return [one.campaign for one in self.known if set(tags) & set(one.tags)]

    def scope(self, rule: PolicyRule) -> str:
        """Whether a contact `x` is in the rule's scope."""
        parts = [f"x.{name} IN {texts(values)}" for name, values in self._scopes(rule)]
        return " AND ".join(parts) or "true"

    def answered_scope(self, rule: PolicyRule) -> str:
        """Whether a response `x` may answer a contact in the rule's scope: it has no category, and
        one that names no channel or campaign counts."""
        parts = [
            f"coalesce(x.{name} IN {texts(values)}, true)"
            for name, values in self._scopes(rule)
            if name != "category"
        ]
        return " AND ".join(parts) or "true"

    def _scopes(self, rule: PolicyRule) -> Iterator[tuple[str, Collection[str]]]:
        scopes: tuple[tuple[str, Collection[str] | None], ...] = (
            ("channel", rule.channel),
            ("category", rule.category),
            ("campaign", rule.campaign),
            ("campaign", None if rule.tag is None else self.tagged(rule.tag)),
        )
        return ((name, values) for name, values in scopes if values is not None)

    def bound(self, rule: PolicyRule, *, exempt_too: bool = False) -> str:
        """Whether the rule forbids or allows a row `x` of audit_log: a message of this run."""
        parts = ["x.is_planned", self.scope(rule)]
        if not exempt_too:
            parts.append("NOT x.is_exempt")
        if rule.is_personal:
            parts.append(
                "x.customer_id IN (SELECT customer_id FROM audit_people "  # noqa: S608
                f"WHERE {quoted(in_column(rule))})"
            )
        return " AND ".join(parts)


def needs_frame(rule: PolicyRule) -> bool:
    """Whether the rule asks for something of the customer frame."""
    return rule.is_personal or (isinstance(rule, Cap) and isinstance(rule.max, str))


def in_column(rule: PolicyRule) -> str:
    """Column of audit_people: whether a personal rule holds for the customer."""
    return f"in:{rule.name}"


def max_column(rule: PolicyRule) -> str:
    """Column of audit_people: the customer's own maximum."""
    return f"max:{rule.name}"


def texts(values: Collection[str]) -> str:
    """A list for IN; the empty text keeps it valid when there is nothing to list."""
    return "(" + ", ".join(literal(str(value)) for value in ["", *sorted(values)]) + ")"


def length_us(length: timedelta) -> int:
    """Exact microseconds of a length of time."""
    return length // timedelta(microseconds=1)


def microseconds(length: timedelta | None) -> str:
    """A length of time in SQL, or NULL."""
    return "NULL::BIGINT" if length is None else f"{length_us(length)}::BIGINT"


# What was said or is planned, control rows included.
ALIVE = """alive AS (
            SELECT message_id, campaign, step, unit, anchor, contact_at, is_planned
            FROM audit_log WHERE is_planned OR is_said
        )"""
