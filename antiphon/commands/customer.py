"""The command about everything known of one person: customer."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from antiphon.commands.screen import Row, as_json, at_option, opened, show
from antiphon.errors import ExitCode

if TYPE_CHECKING:
    from antiphon.campaigns.configuration import Configuration
    from antiphon.steps.customer import Customer

_MESSAGE = ("at", "campaign", "step", "channel", "variant", "state", "message")
_RESPONSE = ("at", "kind", "campaign", "channel", "value")
_ENROLMENT = ("campaign", "entered", "reached", "missed", "left", "why")


@click.command()
@click.argument("customer_id", metavar="ID")
@as_json
@at_option
@click.pass_obj
def customer(root: Path | None, customer_id: str, as_json: bool) -> int:
    """Everything known of one customer: features, segments, last messages and responses.

    Shows personal data: names and addresses too.

    Example: antiphon customer LP000012
    """
    from antiphon.steps.customer import customer as find  # noqa: PLC0415

    project = opened(root)
    found = find(project, customer_id)
    configuration = project.configuration
    zone = ZoneInfo(configuration.settings.business.timezone)
    tables: dict[str, list[Row]] = {
        "segments": [
            {"segment": name, "title": configuration.definitions.titles.get(name, "")}
            for name in found.segments
        ],
        "messages": list(_messages(found, zone)),
        "responses": list(_responses(found, zone)),
        "chains": list(_enrolments(found, zone)),
    }
    if as_json:
        everything = {"customer": customer_id, "features": dict(found.frame), **tables}
        click.echo(json.dumps(everything, ensure_ascii=False, default=str))
        return ExitCode.DONE
    for file, rows in _by_file(found, configuration, zone).items():
        show(file, ["feature", "value", "unit", "meaning"], rows)
    columns = (("segment", "title"), _MESSAGE, _RESPONSE, _ENROLMENT)
    for (name, rows), names in zip(tables.items(), columns, strict=True):
        title = f"{name.capitalize()} ({zone.key} time)" if names[0] == "at" else name.capitalize()
        if rows:
            show(title, names, rows)
        else:
            click.echo(f"{name.capitalize()}: none")
    click.echo("\nThis is personal data, shown because you asked for this customer.")
    return ExitCode.DONE


def _by_file(
    found: "Customer", configuration: "Configuration", zone: ZoneInfo
) -> dict[str, list[Row]]:
    """The frame's rows, under the file each feature comes from; instants in local time."""
    groups: dict[str, list[Row]] = {}
    for name, feature in configuration.features.items():
        value = found.frame[name]
        row = {
            "feature": name,
            "value": value.astimezone(zone) if isinstance(value, datetime) else value,
            "unit": feature.unit,
            "meaning": feature.meaning,
        }
        groups.setdefault(feature.file, []).append(row)
    return groups


def _messages(found: "Customer", zone: ZoneInfo) -> Iterator[Row]:
    for one in found.messages:
        at = (one.left_at or one.not_before).astimezone(zone)
        values = (at, one.campaign, one.step, one.channel, one.arm, one.state.value, one.message_id)
        yield dict(zip(_MESSAGE, values, strict=True))


def _responses(found: "Customer", zone: ZoneInfo) -> Iterator[Row]:
    for one in found.responses:
        values = (one["kind"], one["campaign"], one["channel"], one["value"])
        yield dict(zip(_RESPONSE, (one["occurred_at"].astimezone(zone), *values), strict=True))


def _enrolments(found: "Customer", zone: ZoneInfo) -> Iterator[Row]:
    for one in found.enrolments:
        left = one["left_at"] and one["left_at"].astimezone(zone)
        times = (one["entered_at"].astimezone(zone), one["reached"], one["missed"], left)
        values = (one["campaign"], *times, one["left_for"])
        yield dict(zip(_ENROLMENT, values, strict=True))
