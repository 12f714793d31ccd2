"""How commands show two sets of decisions side by side."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from antiphon.commands.screen import counted, show

if TYPE_CHECKING:
    from antiphon.campaigns.rules import Policy
    from antiphon.steps.differing import Diff

COLUMNS = ("campaign", "before", "after", "new", "from others", "lost", "to others")
LEGEND = (
    "`new`: no message of theirs was lost; `from others`: they get this one instead of another; "
    "`lost`: they get nothing in its place; `to others`: they get another one instead."
)

policy_option = click.option(
    "--policy",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Decide under this policy file instead of config/policy.yaml.",
)
customers_option = click.option(
    "--customers",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write everybody whose messages differ into this CSV file.",
)


def diff_json(before: str, after: str, diff: "Diff", policies: Sequence["Policy"]) -> Any:
    """The whole for programs."""
    return {
        "before": before,
        "after": after,
        "campaigns": _campaign_rows(diff),
        "rules": _rule_rows(diff, policies),
        "control": {"before": diff.controls[0], "after": diff.controls[1]},
        "customers": {
            "gaining": diff.gaining,
            "losing": diff.losing,
            "moving": diff.moving,
        },
    }


def show_diff(before: str, after: str, diff: "Diff", policies: Sequence["Policy"]) -> None:
    """Tables and sentences. `policies`: where the rules are looked up, the first one first."""
    show(f"Before: {before}. After: {after}.", COLUMNS, _campaign_rows(diff))
    click.echo(LEGEND)
    rules = [
        {**row, "change": f"{row['after'] - row['before']:+,}"}
        for row in _rule_rows(diff, policies)
    ]
    if rules:
        columns = ["rule", "what it says", "before", "after", "change"]
        show("Which rule held how many messages back", columns, rules)
    gaining, losing = counted(diff.gaining, "customer"), counted(diff.losing, "customer")
    others = counted(diff.moving, "customer")
    click.echo(f"{gaining} gain a message, {losing} lose theirs, {others} get other ones.")


def told_of(customers: Path | None, written: int) -> None:
    """Where the customers are."""
    if customers:
        click.echo(f"{counted(written, 'customer')} whose messages differ: {customers}")


def as_text(found: Any) -> str:
    """JSON for programs."""
    return json.dumps(found, ensure_ascii=False, default=str)


def _campaign_rows(diff: "Diff") -> list[dict[str, Any]]:
    return [
        {
            "campaign": one.campaign,
            "before": one.before,
            "after": one.after,
            "new": one.new,
            "from others": one.from_others,
            "lost": one.lost,
            "to others": one.to_others,
        }
        for one in diff.campaigns
    ]


def _rule_rows(diff: "Diff", policies: Sequence["Policy"]) -> list[dict[str, Any]]:
    from antiphon.policy.words.titles import title  # noqa: PLC0415

    def said(rule: str) -> str:
        return next((words for p in policies if (words := title(rule, p)) != rule), "")

    return [
        {"rule": rule, "what it says": said(rule), "before": before, "after": after}
        for rule, (before, after) in diff.rules.items()
    ]
