"""Files of sql/features/ held against the data: before a run's frames, and when one failed."""

# The files are the user's own SQL; identifiers are quoted.
# ruff: noqa: S608

import re
from collections.abc import Iterator, Mapping
from typing import Any

from antiphon.audience.dictionary import FeatureFile, declaration_line, feature_files
from antiphon.audience.values import type_name
from antiphon.entities import ColumnType
from antiphon.errors import ConfigError, Problem
from antiphon.files import ProjectFiles
from antiphon.lake import Session
from antiphon.lake.failures import QueryError
from antiphon.quoting import quoted

T = ColumnType
SPELLED = {"TIMESTAMP WITH TIME ZONE": T.INSTANT.value}
_WHOLE = tuple(
    f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
)
# Types of the engine, besides the declared one, whose values the declared one holds.
_WIDENED: dict[ColumnType, tuple[str, ...]] = {
    T.TEXT: ("ENUM",),
    T.INTEGER: (*_WHOLE, "HUGEINT", "UHUGEINT"),
    T.NUMBER: (*_WHOLE, "HUGEINT", "UHUGEINT", "FLOAT", "DECIMAL"),
    T.MONEY: (*_WHOLE, "DECIMAL"),
}
# All three are named, as the engine wants every parameter that is given to be used.
_MOMENT = "WITH moment AS (SELECT $as_of, $business_day, $business_zone)"
_LINE = re.compile(r"^LINE (\d+):", re.MULTILINE)


def verify_columns(session: Session, files: ProjectFiles, parameters: Mapping[str, Any]) -> None:
    """Raise ConfigError with every file whose SELECT does not return the columns it declares.

    Asks the engine for names and types alone: no fact is read, so it costs a moment.
    """
    found, problems = feature_files(files)
    for file in found:
        problems += _wrong_columns(session, file, parameters)
    if problems:
        raise ConfigError(problems)


def verify_files(session: Session, files: ProjectFiles, parameters: Mapping[str, Any]) -> None:
    """Raise ConfigError with every file that is to blame for a frame that could not be built.

    Computes every file over the session's customers: besides wrong columns it finds customers that
    come twice or are null, and values that do not fit.
    """
    verify_columns(session, files, parameters)
    problems = [
        problem
        for file in feature_files(files)[0]
        for problem in _wrong_values(session, file, parameters)
    ]
    if problems:
        raise ConfigError(problems)


def row_problems(
    session: Session,
    file: FeatureFile,
    relation: str,
    parameters: Mapping[str, Any] | None = None,
) -> list[Problem]:
    """What is wrong with the rows a file gave, in `relation`: who comes twice, or is null."""
    keys = "count(*), count(customer_id), count(DISTINCT customer_id)"
    ((rows, known, customers),) = session.rows(f"SELECT {keys} FROM {relation}", parameters)
    problems = []
    if known < rows:
        message = f"customer_id is null in {rows - known:,} of {rows:,} rows"
        hint = "Leave out such rows: WHERE customer_id IS NOT NULL."
        problems.append(Problem(file.path, 0, 0, message, hint=hint))
    if customers < known:
        message = f"{customers:,} customers have {known:,} rows: some come twice"
        hint = "Group the SELECT by customer_id alone."
        problems.append(Problem(file.path, 0, 0, message, hint=hint))
    return problems


def _wrong_columns(
    session: Session, file: FeatureFile, parameters: Mapping[str, Any]
) -> Iterator[Problem]:
    try:
        rows = session.rows(f"DESCRIBE {_over(file, '*')}", parameters)
    except QueryError as error:
        yield _refused(file, error)
        return
    returned = {row[0].lower(): SPELLED.get(row[1], row[1]) for row in rows}
    if "customer_id" not in returned:
        yield Problem(file.path, 0, 0, "the SELECT returns no column 'customer_id'")
    elif returned["customer_id"] != T.TEXT:
        kind = noun(returned["customer_id"])
        hint = "Write customer_id as it comes from the view."
        yield Problem(file.path, 0, 0, f"customer_id is {kind}, not text", hint=hint)
    for feature in file.features:
        type_ = returned.get(feature.name)
        if type_ is None:
            message = f"the SELECT returns no column '{feature.name}'"
            yield _at(file, feature.name, message, f"It returns: {', '.join(returned)}.")
        elif not _holds(feature.type, type_):
            declared, kind = type_name(feature.type), noun(type_)
            message = f"feature '{feature.name}' is declared {declared}; its SELECT returns {kind}"
            hint = f"Declare it {kind}, or write CAST(… AS {feature.type}) in the SELECT."
            yield _at(file, feature.name, message, hint)


def _wrong_values(
    session: Session, file: FeatureFile, parameters: Mapping[str, Any]
) -> list[Problem]:
    values = [f"count(CAST({quoted(one.name)} AS {one.type}))" for one in file.features]
    try:
        session.rows(_over(file, ", ".join(values)), parameters)
        return row_problems(session, file, f"({_over(file, 'customer_id')})", parameters)
    except QueryError as error:
        return [_refused(file, error)]


def _over(file: FeatureFile, asked: str) -> str:
    """A SELECT over the file's, which begins on the second line."""
    select = file.sql.rstrip().rstrip(";")
    return f"{_MOMENT} SELECT {asked} FROM (\n{select}\n) AS file"


def _refused(file: FeatureFile, error: QueryError) -> Problem:
    """What the engine said of names and grammar, at its line; never a value of a row."""
    words = str(error).partition(f"{error.kind}: ")[2] or str(error)
    message = words.partition("\n")[0].partition(" Error: ")[2] or words.partition("\n")[0]
    match = _LINE.search(words)
    lines = file.sql.splitlines()
    line = int(match[1]) - 1 if match else 0
    if not 1 <= line <= len(lines):
        return Problem(file.path, 0, 0, message)
    return Problem(file.path, line, 1, message, lines[line - 1])


def _at(file: FeatureFile, name: str, message: str, hint: str) -> Problem:
    line = declaration_line(file.sql, name)
    return Problem(file.path, line, 1, message, file.sql.splitlines()[line - 1], hint)


def _holds(declared: ColumnType, type_: str) -> bool:
    kind = type_.partition("(")[0]
    return type_ in (declared.value, '"NULL"') or kind in _WIDENED.get(declared, ())


def noun(type_: str) -> str:
    """Our name of an engine's type, or its own where we have none."""
    exact = next((one for one in T if one.value == type_), None)
    near = next((one for one, kinds in _WIDENED.items() if type_ in kinds), None)
    if type_.startswith("DECIMAL"):
        near = T.MONEY
    return type_name(exact or near) if exact or near else type_
