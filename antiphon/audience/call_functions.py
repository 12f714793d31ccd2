"""The condition functions: their arguments, and how a written call becomes a `Call`.

Arguments are written values, checked here; the table is also what docs/conditions.md shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, get_args

from sqlglot import exp

from antiphon.audience.calls import Call, Relation, Span, span
from antiphon.audience.dictionary import nearest
from antiphon.audience.values import UNKNOWN, Typed, described, text_sql
from antiphon.campaigns.models import Category, Channel
from antiphon.entities import ColumnType

if TYPE_CHECKING:
    from antiphon.audience.expressions import Checker

MAX_COUNT = 1_000_000
BIRTHDAY = "days_to_birthday"  # the feature that birthday_within reads


class Kind(Enum):
    """What an argument takes; the value is how messages and the documentation call it."""

    TEXT = "a text in quotes"
    EVENT = "the name of an event in quotes"
    CAMPAIGN = "the name of a campaign in quotes"
    SEGMENT = "the name of a segment in quotes"
    STATEMENT = "a name that a survey `sets`, or language, in quotes"
    CHANNEL = "a channel, 'email' or 'sms'"
    CATEGORY = "a category of campaigns, 'promo', 'lifecycle' or 'service'"
    SPAN = "a duration in quotes such as '90 days'"
    DAYS = "a number of days in quotes such as '7 days'"
    COUNT = "a whole number from 1 to 1,000,000"
    MONEY = "an amount above 0"


Value = str | Span | int | Decimal
_WORDS: dict[Kind, tuple[str, ...]] = {
    Kind.CHANNEL: get_args(Channel),
    Kind.CATEGORY: get_args(Category),
}


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument. `column` is the relation's column that a text must equal."""

    name: str
    kind: Kind
    meaning: str
    column: str = ""


@dataclass(frozen=True, slots=True)
class CallFunction:
    """A condition function. The first argument may stand without its name if `is_positional`."""

    name: str
    meaning: str
    arguments: tuple[Argument, ...]
    examples: tuple[str, ...]
    relation: Relation | None = None
    is_positional: bool = True
    is_required: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Of its arguments."""
        return tuple(argument.name for argument in self.arguments)


_WITHIN = Argument("within", Kind.SPAN, "not longer ago")
_AHEAD = Argument("within", Kind.DAYS, "not later than so many days from today")
_BEFORE = Argument("before", Kind.SPAN, "at least so long ago")


def _at_least(what: str) -> Argument:
    return Argument("at_least", Kind.COUNT, f"this many {what}, or more; absent: one")


_TABLE = (
    CallFunction(
        "bought",
        "Bought such things. Returns do not count; an order without lines counts by its own "
        "category and amount.",
        (
            Argument("category", Kind.TEXT, "of this category", "category"),
            Argument("product", Kind.TEXT, "this product (its id)", "product_id"),
            Argument("brand", Kind.TEXT, "of this brand", "brand"),
            Argument("store", Kind.TEXT, "in this shop or channel of sale", "store"),
            _WITHIN,
            _BEFORE,
            _at_least("orders with such a thing"),
            Argument("spent_at_least", Kind.MONEY, "so much money for such things, together"),
        ),
        (
            "bought(category => 'vitamins', within => '90 days', at_least => 2)",
            "bought(brand => 'Linde') and not bought(brand => 'Linde', within => '60 days')",
            "bought(product => 'P-1001', store => 'web', within => '52 weeks')",
            "bought(spent_at_least => 200, within => '365 days')",
        ),
        Relation.PURCHASES,
        is_positional=False,
    ),
    CallFunction(
        "did",
        "Did something that the entity `events` records.",
        (
            Argument("event", Kind.EVENT, "what", "event"),
            Argument("product", Kind.TEXT, "with this product (its id)", "product_id"),
            Argument("value", Kind.TEXT, "with this detail", "value"),
            _WITHIN,
            _BEFORE,
            _at_least("times"),
        ),
        (
            "did('cart_abandoned', within => '3 days')",
            "did('app_installed') and not did('app_opened', within => '4 weeks')",
            "did('product_viewed', within => '36 hours', at_least => 3)",
        ),
        Relation.EVENTS,
        is_required=True,
    ),
    CallFunction(
        "contacted",
        "Got a message from us, or may have: planned, sent and doubtful ones count; refused and "
        "withdrawn ones and the control group do not.",
        (
            Argument("campaign", Kind.CAMPAIGN, "by this campaign", "campaign"),
            Argument("channel", Kind.CHANNEL, "by this channel", "channel"),
            Argument("category", Kind.CATEGORY, "by campaigns of this category", "category"),
            _WITHIN,
            _BEFORE,
            _at_least("messages"),
        ),
        (
            "not contacted(within => '7 days')",
            "contacted(campaign => 'birthday-wishes', channel => 'email', within => '30 days')",
            "contacted(category => 'promo', within => '30 days', at_least => 4)",
        ),
        Relation.CONTACTS,
    ),
    CallFunction(
        "responded",
        "Answered us. Without `kind` that is an open, click, reply, conversion or survey: no "
        "complaint, bounce or opt-out.",
        (
            Argument("campaign", Kind.CAMPAIGN, "to this campaign", "campaign"),
            Argument("kind", Kind.TEXT, "open, click, complaint, …, or your own word", "kind"),
            Argument("channel", Kind.CHANNEL, "by this channel", "channel"),
            _WITHIN,
            _BEFORE,
            _at_least("times"),
        ),
        (
            "responded(kind => 'click', within => '30 days')",
            "responded('birthday-wishes', kind => 'open')",
            "contacted(at_least => 5) and not responded(within => '180 days')",
        ),
        Relation.RESPONSES,
    ),
    CallFunction(
        "in_segment",
        "Is in a segment; `not in_segment(…)` holds for everybody else.",
        (Argument("segment", Kind.SEGMENT, "its name in segments.yaml or sql/segments/"),),
        ("in_segment('vip')", "in_segment('active') and not in_segment('vip')"),
        is_required=True,
    ),
    CallFunction(
        "birthday_within",
        "Has the birthday today or within so many days. Who was born on 29 February has it on the "
        "28th in other years. For today alone write days_to_birthday = 0.",
        (_AHEAD,),
        ("birthday_within('3 days')", "birthday_within('1 week') and age >= 18"),
        is_required=True,
    ),
    CallFunction(
        "runs_out_within",
        "Something that they bought is expected to be used up, today or within so many days. It "
        "lasts, from the last day it was bought, for its pack_days times the quantity or, where it "
        "has none, for the customer's own mean time between purchases of it (three at least).",
        (
            _AHEAD,
            Argument("category", Kind.TEXT, "a product of this category", "category"),
            Argument("product", Kind.TEXT, "this product (its id)", "product_id"),
        ),
        ("runs_out_within('7 days')", "runs_out_within('2 weeks', category => 'vitamins')"),
        Relation.RUN_OUTS,
        is_required=True,
    ),
    CallFunction(
        "code_open",
        "Has a promo code of their own that can still be used: not redeemed, not withdrawn, not "
        "over. `within` asks for codes whose last day is today or within so many days.",
        (
            Argument("campaign", Kind.CAMPAIGN, "issued by this campaign", "campaign"),
            _AHEAD,
        ),
        (
            "code_open('birthday-wishes', within => '3 days')",
            "code_open() and not responded(within => '30 days')",
        ),
        Relation.CODES,
    ),
    CallFunction(
        "stated",
        "What they told us last, in a survey or on the page of their preferences: a text, null "
        "where they said nothing.",
        (Argument("name", Kind.STATEMENT, "of what", "name"),),
        ("stated('interest') = 'vitamins'", "stated('disappointed_by') is null"),
        Relation.STATEMENTS,
        is_required=True,
    ),
)
CALL_FUNCTIONS: dict[str, CallFunction] = {function.name: function for function in _TABLE}


def call(checker: Checker, node: exp.Expr, depth: int) -> Typed:
    """A call of a condition function: true or false, never null; of `stated`, a text or null."""
    function = CALL_FUNCTIONS[str(node.this).lower()]
    known = len(checker.findings)
    given = _given(checker, function, node)
    values = {
        argument.name: _value(checker, function, argument, given[argument.name])
        for argument in function.arguments
        if argument.name in given
    }
    if len(checker.findings) > known:
        return UNKNOWN
    if function.name == "in_segment":
        return checker.segment(given["segment"], str(values["segment"]), depth)
    if function.name == "birthday_within":
        return _birthday(checker, node, values["within"])
    assert function.relation is not None, "all other functions ask a relation"
    texts = [
        (one.column, str(values[one.name]))
        for one in function.arguments
        if one.column and one.name in values
    ]
    measures: dict[str, Any] = {name: values[name] for name in _MEASURES if name in values}
    asked = Call(function.relation, tuple(sorted(texts)), **measures)
    if asked.within and asked.before and asked.within.leaves_nothing(asked.before):
        message = f"nothing is both within {asked.within.text} and before {asked.before.text}"
        hint = "`before` means at least so long ago: write a shorter one."
        return checker.wrong(given["before"], message, hint)
    return checker.asked(asked)


def _given(checker: Checker, function: CallFunction, node: exp.Expr) -> dict[str, exp.Expr]:
    """Argument → what was written for it; names that are wrong, repeated or missing are noted."""
    given: dict[str, exp.Expr] = {}
    known = len(checker.findings)
    for place, written in enumerate(node.expressions):
        if isinstance(written, exp.Kwarg) and isinstance(written.this, exp.Identifier):
            name, value = written.this.name.lower(), written.expression
        elif place == 0 and function.is_positional and not isinstance(written, _LIKE_NAMED):
            name, value = function.names[0], written
        else:
            checker.wrong(written, *_unnamed(function, written))
            continue
        if name not in function.names:
            message = f"'{function.name}' has no argument '{name[:60]}'"
            hint = f"{nearest(name, function.names)} {_usage(function)}".strip()
            checker.wrong(written, message, hint)
        elif name in given:
            checker.wrong(written, f"'{name}' is given twice")
        else:
            given[name] = value
    first = function.arguments[0]
    if function.is_required and first.name not in given and len(checker.findings) == known:
        message = f"'{function.name}' needs {first.kind.value}"
        checker.wrong(node, message, f"Example: {function.examples[0]}.")
    return given


def _unnamed(function: CallFunction, written: exp.Expr) -> tuple[str, str]:
    """Message and hint for an argument without a name."""
    which = "all but its first argument" if function.is_positional else "its arguments"
    message = f"'{function.name}' takes {which} by name"
    if isinstance(written, _LIKE_NAMED) and written.this.name.lower() in function.names:
        return message, f"Write: {written.this.name.lower()} => …, with an arrow."
    return message, _usage(function)


def _usage(function: CallFunction) -> str:
    return f"Arguments: {', '.join(function.names)}. Example: {function.examples[0]}."


def _value(
    checker: Checker, function: CallFunction, argument: Argument, node: exp.Expr
) -> Value | None:
    """The argument's value; None where it is wrong, which is noted."""
    inner = node.this if isinstance(node, exp.Neg) else node
    if not isinstance(inner, exp.Literal):
        message = f"'{argument.name}' takes {argument.kind.value}, written out"
        hint = f"Example: {function.examples[0]}."
        if isinstance(inner, exp.Column) and isinstance(inner.this, exp.Identifier):
            hint = f"A text is written in single quotes: {text_sql(inner.name)}."
        checker.wrong(node, message, hint)
        return None
    typed = checker.check(node)
    literal = typed.literal
    if argument.kind in (Kind.COUNT, Kind.MONEY):
        if isinstance(literal, Decimal) and literal > 0:
            if argument.kind == Kind.MONEY:
                return literal.normalize()
            if typed.type == ColumnType.INTEGER and literal <= MAX_COUNT:
                return int(literal)
    elif isinstance(literal, str):
        return _READERS.get(argument.kind, _text)(checker, argument, node, literal)
    if typed.type is not None:  # a number that cannot be read is noted already
        message = f"'{argument.name}' takes {argument.kind.value}, not {described(typed)}"
        checker.wrong(node, message)
    return None


def _text(checker: Checker, argument: Argument, node: exp.Expr, text: str) -> str | None:
    if text.strip():
        return text
    checker.wrong(node, f"'{argument.name}' is empty")
    return None


def _span(checker: Checker, argument: Argument, node: exp.Expr, text: str) -> Span | None:
    try:
        read = span(text)
    except ValueError as error:
        advice = str(error)
        checker.wrong(
            node,
            f"'{argument.name}' takes {argument.kind.value}, not '{text[:40]}'",
            f"{advice[0].upper()}{advice[1:]}.",
        )
        return None
    if argument.kind == Kind.DAYS and read.is_exact:
        checker.wrong(node, f"'{argument.name}' counts whole days", "Write: '1 day', '2 weeks'.")
        return None
    return read


def _word(checker: Checker, argument: Argument, node: exp.Expr, text: str) -> str | None:
    words = _WORDS[argument.kind]
    if text in words:
        return text
    message = f"'{argument.name}' takes {argument.kind.value}, not '{text[:40]}'"
    checker.wrong(node, message, nearest(text, words))
    return None


def _campaign(checker: Checker, _: Argument, node: exp.Expr, text: str) -> str | None:
    campaigns = checker.vocabulary.campaigns
    if text in campaigns:
        return text
    checker.wrong(node, f"no campaign '{text[:60]}'", nearest(text, tuple(campaigns)))
    return None


def _event(checker: Checker, argument: Argument, node: exp.Expr, text: str) -> str | None:
    events = checker.vocabulary.events
    if text == "order":
        checker.wrong(node, "an order is no event", "Write bought(…).")
        return None
    if events is None or text in events:
        return _text(checker, argument, node, text)
    checker.wrong(node, f"no event '{text[:60]}'", nearest(text, tuple(events)))
    return None


def _statement(checker: Checker, _: Argument, node: exp.Expr, text: str) -> str | None:
    statements = checker.vocabulary.statements
    if statements is None or text in statements:
        return text
    checker.wrong(node, f"no survey sets '{text[:60]}'", nearest(text, tuple(statements)))
    return None


def _birthday(checker: Checker, node: exp.Expr, within: object) -> Typed:
    assert isinstance(within, Span), "the table says so"
    days = checker.feature(node, BIRTHDAY)
    return Typed(f"coalesce({days.sql} <= {within.length.days}, FALSE)", ColumnType.BOOLEAN)


_LIKE_NAMED = (exp.EQ, exp.PropertyEQ, exp.Kwarg)
_MEASURES = ("within", "before", "at_least", "spent_at_least")
_READERS: dict[Kind, Callable[[Checker, Argument, exp.Expr, str], Value | None]] = {
    Kind.EVENT: _event,
    Kind.CAMPAIGN: _campaign,
    Kind.STATEMENT: _statement,
    Kind.CHANNEL: _word,
    Kind.CATEGORY: _word,
    Kind.SPAN: _span,
    Kind.DAYS: _span,
}
