"""The table of expectations in docs/validation.md, generated from the contract."""

from antiphon.entities import ColumnType
from antiphon.validation.rules import RULES, Rule, Scope

BEGIN, END = "<!-- expectations: begin -->", "<!-- expectations: end -->"


def table() -> str:
    """Markdown: one row an expectation."""
    head = "| expectation | what must hold | columns | arguments | judged on | may quarantine |"
    lines = [head, "|---|---|---|---|---|---|", *(_line(rule) for rule in RULES.values())]
    return "\n".join(lines)


def renewed(page: str) -> str:
    """The page with the table between its marks made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def _line(rule: Rule) -> str:
    types = "any"
    if rule.types != frozenset(ColumnType):
        types = ", ".join(type_.name.lower() for type_ in ColumnType if type_ in rule.types)
    arguments = ", ".join(
        f"`{name}`" + ("" if name in rule.required or name in rule.one_of else " (optional)")
        for name in rule.allowed
    )
    may = "yes" if rule.compiled else "no"
    scope = str(rule.scope.value)
    if rule.scope is Scope.ROW and rule.name == "expect_column_values_to_be_in_set":
        scope = f"{Scope.ROW.value}; a reference on {Scope.KEY.value}"
    return f"| `{rule.name}` | {rule.meaning} | {types} | {arguments} | {scope} | {may} |"
