"""The command `comments`: what people wrote in surveys."""

from pathlib import Path
from zoneinfo import ZoneInfo

import click

from antiphon.commands.screen import Row, as_json, at_option, glanced, show
from antiphon.errors import ExitCode

COLUMNS = ("told", "customer", "survey", "question", "score", "comment")
SHOWN = 50


@click.command()
@click.argument("customer", required=False)
@click.option("--survey", metavar="NAME", help="Only of this survey.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=SHOWN,
    show_default=True,
    help="So many, the newest first.",
)
@as_json
@at_option
@click.pass_obj
def comments(
    root: Path | None, customer: str | None, survey: str | None, limit: int, as_json: bool
) -> int:
    """What people wrote in surveys, with the score they gave; of one CUSTOMER, or of all.

    Comments are personal: they are kept in the ledger alone, and go when somebody is forgotten.

    Examples: antiphon comments, antiphon comments LP000007, antiphon comments --survey purchase
    """
    project = glanced(root)
    zone = ZoneInfo(project.configuration.settings.business.timezone)
    found = project.ledger.surveys.comments(customer_id=customer, survey=survey, limit=limit)
    rows: list[Row] = []
    for one in found:
        answers = project.ledger.responses.of_message(one.message_id)
        scores = [each.value for each in answers if each.kind == "survey"]
        rows.append(
            {
                "told": f"{one.told_at.astimezone(zone):%Y-%m-%d %H:%M}",
                "customer": one.customer_id,
                "survey": one.survey,
                "question": one.question,
                "score": scores[-1] if scores else "",
                "comment": one.comment,
            }
        )
    if not rows and not as_json:
        click.echo("Nobody wrote anything yet.")
    else:
        show("Comments, the newest first", COLUMNS, rows, json_too=as_json)
    return ExitCode.DONE
