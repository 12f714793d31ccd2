"""Conditions: SQL boolean expressions over features, parsed, checked and written anew.

What reaches the engine is written by `expressions.py` from the checked tree, piece by piece; the
user's own text never does.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError, TokenError
from sqlglot.parsers.duckdb import DuckDBParser
from sqlglot.tokenizer_core import Token, TokenType

from antiphon.audience.calls import Call
from antiphon.audience.dictionary import Feature
from antiphon.audience.expressions import Checker, Finding, start_of
from antiphon.audience.functions import NUMERIC
from antiphon.audience.losses import Lack, lacks
from antiphon.entities import ColumnType

MAX_CHARACTERS = 10_000
MAX_DEPTH = 20  # brackets, NOTs and CASEs within one another; the parser recurses on each

_OPENING = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE}
_CLOSING = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END}
_PREFIXES = {TokenType.NOT, TokenType.DASH, TokenType.TILDE, TokenType.INTERVAL, TokenType.PLUS}
_STATEMENTS = {TokenType.SELECT, TokenType.WITH, TokenType.VALUES, TokenType.FROM}
_PLACEHOLDERS = {TokenType.PARAMETER, TokenType.PLACEHOLDER}


@dataclass(frozen=True, slots=True)
class ConditionProblem:
    """What is wrong, at which line and column of the text (from 1)."""

    message: str
    line: int
    column: int
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Loss:
    """Where a condition loses customers because they have no value of the feature."""

    feature: str
    message: str
    line: int
    column: int
    hint: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A checked condition. `sql` is DuckDB SQL over the relation `frame`.

    `columns`: the features it reads, and `calls` the calls of condition functions by their hidden
    column, those of the segments it is built on included. `segments`: their names, at any depth.
    `depth`: levels of nesting of the SQL. `losses`: of its own text.
    """

    text: str
    sql: str
    columns: frozenset[str]
    calls: Mapping[str, Call] = field(default_factory=dict, hash=False)
    segments: frozenset[str] = frozenset()
    losses: tuple[Loss, ...] = ()
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression that yields a number. `sql` is DuckDB SQL over the relation `frame`.

    `columns`, `calls` and `segments` as of a condition.
    """

    text: str
    sql: str
    type: ColumnType
    columns: frozenset[str]
    calls: Mapping[str, Call] = field(default_factory=dict, hash=False)
    segments: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CellValue:
    """A value of the customer's own micro-segment, `cell.x`: SQL over the columns of `frame`.

    `scale`: decimal places of exact numbers, at most 7.
    """

    type: ColumnType
    sql: str
    columns: frozenset[str]
    scale: int = 0


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names a condition may use. `events`, `statements` None: not known, any is accepted."""

    features: Mapping[str, Feature]
    segments: Mapping[str, Condition] = field(default_factory=dict)
    campaigns: Collection[str] = ()
    events: Collection[str] | None = None
    cell: Mapping[str, CellValue] = field(default_factory=dict)
    statements: Collection[str] | None = None


def _named_argument(parser: DuckDBParser, names: list[exp.Expr]) -> exp.Kwarg:
    """`name => value`, the name with its place (sqlglot's own has none)."""
    name = names[0] if len(names) == 1 else exp.Tuple(expressions=names)
    return parser.expression(exp.Kwarg(this=name, expression=parser._parse_disjunction()))


class _ExpressionParser(DuckDBParser):
    """Calls stay as they were typed, for our table of functions to judge."""

    FUNCTIONS: ClassVar[dict[str, Any]] = {}
    FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
        name: DuckDBParser.FUNCTION_PARSERS[name] for name in ("CAST", "TRY_CAST")
    }
    NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
    NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
        "CASE": DuckDBParser.NO_PAREN_FUNCTION_PARSERS["CASE"]
    }
    LAMBDAS: ClassVar[dict[Any, Any]] = {TokenType.FARROW: _named_argument}


_DIALECT = DuckDB()


def parse(
    text: str,
    vocabulary: Vocabulary | Mapping[str, Feature],
    beside: Sequence[Condition] = (),
) -> Condition | list[ConditionProblem]:
    """The condition, or everything that is wrong with it. A mapping is a vocabulary's features.

    `beside`: conditions that must hold as well (a campaign's segment); what they ask is no loss.

    Names are matched without regard to case. Dividing by zero and arithmetic that overflows yield
    null; a row for which a condition is null is not chosen.
    """
    known = _known(vocabulary)
    checked = _checked(text, known)
    if isinstance(checked, list):
        return checked
    if checked.type != ColumnType.BOOLEAN:
        return [_placed(text, _not_boolean(checked.type))]
    checker = checked.checker
    return Condition(
        text,
        checked.sql,
        frozenset(checker.columns),
        checker.calls,
        frozenset(checker.segments),
        tuple(_loss(text, lack) for lack in lacks(checked.tree, known, beside)),
        checker.depth,
    )


def parse_number(
    text: str, vocabulary: Vocabulary | Mapping[str, Feature]
) -> Expression | list[ConditionProblem]:
    """The expression, whose type is a number (whole, exact or not), or all that is wrong with it.

    Null where a feature it reads is null, and where it divides by zero or overflows.
    """
    checked = _checked(text, _known(vocabulary))
    if isinstance(checked, list):
        return checked
    if checked.type not in NUMERIC:
        return [_placed(text, _not_a_number(checked.type))]
    checker = checked.checker
    return Expression(
        text,
        checked.sql,
        checked.type,
        frozenset(checker.columns),
        checker.calls,
        frozenset(checker.segments),
    )


@dataclass(frozen=True, slots=True)
class _Checked:
    """A text in which nothing is wrong; whether its type is the one wanted is not yet asked."""

    tree: exp.Expr
    sql: str
    type: ColumnType | None
    checker: Checker


def _known(vocabulary: Vocabulary | Mapping[str, Feature]) -> Vocabulary:
    return vocabulary if isinstance(vocabulary, Vocabulary) else Vocabulary(vocabulary)


def _checked(text: str, known: Vocabulary) -> _Checked | list[ConditionProblem]:
    findings = _length(text)
    if not findings:
        try:
            tree, findings = _tree(text)
            if tree is not None:
                checker = Checker(known)
                result = checker.check(tree)
                findings = checker.findings
                if not findings:
                    return _Checked(tree, result.sql, result.type, checker)
        except RecursionError:
            findings = [_too_deep(0)]
    return [_placed(text, finding) for finding in sorted(findings, key=lambda one: one.start)]


def combine(conditions: Sequence[Condition]) -> Condition:
    """All of the conditions at once: a campaign's audience from its segment and its `where`."""
    if not conditions:
        raise ValueError("an audience needs a segment or a condition")
    if len(conditions) == 1:
        return conditions[0]
    return Condition(
        " and ".join(f"({condition.text})" for condition in conditions),
        "(" + " AND ".join(condition.sql for condition in conditions) + ")",
        frozenset[str]().union(*(condition.columns for condition in conditions)),
        {name: call for condition in conditions for name, call in condition.calls.items()},
        frozenset[str]().union(*(condition.segments for condition in conditions)),
        depth=max(condition.depth for condition in conditions) + 1,
    )


def _length(text: str) -> list[Finding]:
    if len(text) > MAX_CHARACTERS:
        message = f"the condition has {len(text)} characters; at most {MAX_CHARACTERS} are allowed"
        hint = "Bring long lists in as an attribute of customers, or as a feature."
        return [Finding(message, 0, hint)]
    if not text.strip():
        return [Finding("the condition is empty", 0)]
    if "\0" in text:
        return [Finding("a NUL character", text.index("\0"))]
    return []


def _tree(text: str) -> tuple[exp.Expr | None, list[Finding]]:
    try:
        tokens = _DIALECT.tokenize(text)
    except TokenError:
        return None, [_unclosed(text)]
    finding = _token_finding(tokens)
    if finding:
        return None, [finding]
    parser = _ExpressionParser(dialect=_DIALECT)
    try:
        trees = parser.parse_into(exp.Condition, tokens, text)
    except ParseError as error:
        return None, [_syntax(error, tokens)]
    if len(trees) != 1 or trees[0] is None:
        return None, [Finding("not one expression", 0)]
    return trees[0], []


def _token_finding(tokens: list[Token]) -> Finding | None:
    """What no condition may hold, whatever its grammar."""
    if not tokens:
        return Finding("nothing but a comment", 0)
    depth = prefixes = 0
    previous = None
    for token in tokens:
        if finding := _forbidden(token, previous):
            return finding
        previous = token.token_type
        kind = token.token_type
        prefixes = prefixes + 1 if kind in _PREFIXES else 0
        depth += (kind in _OPENING) - (kind in _CLOSING)
        if depth + prefixes > MAX_DEPTH:
            return _too_deep(token.start)
    return None


def _forbidden(token: Token, previous: TokenType | None) -> Finding | None:
    kind = token.token_type
    if token.comments:
        message, hint = "a comment within a condition", "Put remarks into the YAML file, after #."
    elif kind == TokenType.SEMICOLON:
        message, hint = "a semicolon", "A condition is one expression, not a statement."
    elif kind in _STATEMENTS and previous != TokenType.DISTINCT:  # `is distinct from` is none
        message = f"'{token.text}': subqueries are not allowed"
        hint = "Compute it in a file of sql/features/ and use the feature here."
    elif kind in _PLACEHOLDERS:
        message, hint = f"'{token.text}': parameters are not allowed", ""
    else:
        return None
    return Finding(message, token.start, hint)


def _too_deep(start: int) -> Finding:
    hint = "Make parts of it segments or features of their own."
    return Finding(f"nested more than {MAX_DEPTH} levels deep", start, hint)


def _unclosed(text: str) -> Finding:
    """The quote that is never closed; doubled quotes are characters of the text."""
    quote, start = "", 0
    for place, character in enumerate(text):
        if not quote and character in "'\"":
            quote, start = character, place
        elif character == quote:
            quote = ""  # a doubled quote opens again at the next character
    if quote:
        hint = "A quote within a text is doubled: 'Mother''s Day'."
        return Finding(f"the quote {quote} is never closed", start, hint)
    return Finding("cannot be read as SQL", 0)


def _syntax(error: ParseError, tokens: list[Token]) -> Finding:
    detail = error.errors[0] if error.errors else {}
    description = str(detail.get("description", ""))
    place = (detail.get("line"), detail.get("col"))
    token = next((token for token in tokens if (token.line, token.col) == place), tokens[-1])
    before = [other for other in tokens if other.start < token.start]
    if description.startswith("Expecting )"):
        opened = _open([*before, token])
        return Finding("a bracket is not closed", opened[-1] if opened else token.start)
    if description.startswith("Required keyword"):
        side = "before" if token.token_type in _CLOSING else "after"
        return Finding(f"something is missing {side} '{token.text}'", token.start)
    if token.token_type in _CLOSING and not _open(before):
        return Finding(f"'{token.text}' closes nothing", token.start)
    return Finding(f"'{token.text}' is not expected here", token.start, _likely(before, token))


def _open(tokens: list[Token]) -> list[int]:
    """Where the brackets begin that the tokens leave open."""
    opened: list[int] = []
    for token in tokens:
        if token.token_type in _OPENING:
            opened.append(token.start)
        elif token.token_type in _CLOSING and opened:
            opened.pop()
    return opened


def _likely(before: list[Token], token: Token) -> str:
    words = [other.token_type for other in (*before[-1:], token)]
    if words == [TokenType.VAR, TokenType.VAR]:
        return "Is an operator (=, <, and, or) or a quote missing before it?"
    return ""


def _not_boolean(type_: ColumnType | None) -> Finding:
    kind = type_.name.lower() if type_ else "null"
    return Finding(f"the result is {kind}, not true or false", 0, "Compare it with something.")


def _not_a_number(type_: ColumnType | None) -> Finding:
    kind = type_.name.lower() if type_ else "null"
    hint = "Write: case when … then 1 else 0 end." if type_ is ColumnType.BOOLEAN else ""
    return Finding(f"the result is {kind}, not a number", 0, hint)


def _placed(text: str, finding: Finding) -> ConditionProblem:
    return ConditionProblem(finding.message, *_spot(text, finding.start), finding.hint)


def _loss(text: str, lack: Lack) -> Loss:
    return Loss(lack.feature, lack.message, *_spot(text, start_of(lack.node)), lack.hint)


def _spot(text: str, start: int) -> tuple[int, int]:
    """Line and column, from 1."""
    before = text[:start]
    return before.count("\n") + 1, start - (before.rfind("\n") + 1) + 1
