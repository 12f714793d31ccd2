"""Commands about one person: why, message, preview."""

import json
import os
import sys
from datetime import datetime
from pathlib import Path

import click

from antiphon.commands.screen import as_json, at_option, glanced, opened, show
from antiphon.errors import ExitCode, UserFilesError


@click.command()
@click.argument("customer")
@click.option("--campaign", help="Only this campaign.")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="Business day; absent: the latest.")
@as_json
@at_option
@click.pass_obj
def why(
    root: Path | None, customer: str, campaign: str | None, day: datetime | None, as_json: bool
) -> int:
    """Why each campaign of the day wrote to a customer, or did not, in plain words.

    Examples: antiphon why LP000012, antiphon why LP000012 --campaign winback-lost-loyal
    """
    from antiphon.steps.answers import why as find_why  # noqa: PLC0415

    run, answers = find_why(glanced(root), customer, day.date() if day else None, campaign)
    rows = [
        {"campaign": one.campaign, "decision": one.words, **(one.facts if as_json else {})}
        for one in answers
    ]
    title = f"Customer {customer} on {run.business_day}"
    show(title, ["campaign", "decision"], rows, json_too=as_json)
    return ExitCode.DONE


@click.command()
@click.argument("message_id")
@as_json
@click.pass_obj
def message(root: Path | None, message_id: str, as_json: bool) -> int:
    """What one person was sent, and everything that happened to the message.

    Example: antiphon message 3f0c… (the file's name in the outbox)
    """
    from antiphon.message.content import Email  # noqa: PLC0415
    from antiphon.privacy.tombstones import PREFIX as FORGOTTEN  # noqa: PLC0415
    from antiphon.steps.reading import Reader  # noqa: PLC0415

    project = opened(root)
    found = project.ledger.messages.get(message_id)
    if found is None:
        raise UserFilesError(
            f"there is no message {message_id!r} in the ledger.\n"
            "  An id is the name of the message's file in the outbox, without its ending."
        )
    log = [
        {"at": entry.at, "state": entry.state.value, "evidence": _told(entry.evidence)}
        for entry in project.ledger.messages.log(message_id)
    ]
    facts = {
        "campaign": found.campaign,
        "customer": found.customer_id,
        "variant": found.arm,
        "channel": found.channel,
        "language": found.language,
        "run": found.run_id,
        "occurrence": found.occurrence_key,
        "attempt": found.attempt,
    }
    content = Reader(project).content(found) if found.template_hash and found.address else None
    erased = found.customer_id.startswith(FORGOTTEN)
    why = "erased: the person was forgotten" if erased else "nothing was written: a control row"
    text = content.text if content else f"({why})"
    subject = content.subject if isinstance(content, Email) else ""
    if as_json:
        body = {"subject": subject, "text": text, "html": getattr(content, "html", "")}
        show("", [], [{**facts, "log": log, **body}], json_too=True)
        return ExitCode.DONE
    rows = [{"": name, " ": str(value)} for name, value in facts.items()]
    show(f"Message {message_id}", ["", " "], rows)
    show("What happened (UTC)", ["at", "state", "evidence"], log)
    if subject:
        click.echo(f"Subject: {subject}\n")
    click.echo(text)
    return ExitCode.DONE


def _told(evidence: str | None) -> str:
    """Evidence in plain words: `file 2026-05-12/…`, not JSON."""
    facts = json.loads(evidence or "{}")
    plain = ("evidence", "reason")
    return ", ".join(
        f"{value}" if name in plain else f"{name} {value}" for name, value in facts.items()
    )


@click.command()
@click.argument("campaign")
@click.option("--customer", help="Whose message; absent: somebody of today's audience.")
@click.option("--open/--no-open", "in_browser", default=True, help="Open the pages in a browser.")
@at_option
@click.pass_obj
def preview(root: Path | None, campaign: str, customer: str | None, in_browser: bool) -> int:
    """Write and open what a customer would get: every step, variant and channel.

    Without a desktop only the pages' paths are printed.

    Example: antiphon preview winback-lost-loyal --customer LP000012
    """
    from antiphon.message.content import Email, Sms  # noqa: PLC0415
    from antiphon.message.preview import preview_page  # noqa: PLC0415
    from antiphon.steps.previewing import preview as previews_of  # noqa: PLC0415

    project = opened(root)
    folder = project.var / "preview"
    folder.mkdir(parents=True, exist_ok=True)
    previews = previews_of(project, campaign, customer)
    for step, arm in dict.fromkeys((one.step, one.arm) for one in previews):
        mine = [one for one in previews if (one.step, one.arm) == (step, arm)]
        facts = {
            "Campaign": campaign,
            **({"Step": step} if step else {}),
            "Variant": arm,
            "Customer": mine[0].customer_id,
            "Language": mine[0].language,
            "In today's audience": "yes" if mine[0].in_audience else "no",
            **({"Occasion": mine[0].occasion} if mine[0].occasion else {}),
            **{f"No {one.channel}": one.held for one in mine if one.held},
        }
        contents = [one.content for one in mine]
        label = f"{step}, {arm}" if step else arm
        page = preview_page(
            f"{campaign} ({label})",
            facts,
            next((one for one in contents if isinstance(one, Email)), None),
            next((one for one in contents if isinstance(one, Sms)), None),
        )
        path = folder / f"{'-'.join([campaign, *([step] if step else []), arm])}.html"
        path.write_text(page, encoding="utf-8")
        click.echo(f"{label}: {path}")
        if in_browser and _has_desktop():
            click.launch(str(path))
    return ExitCode.DONE


def _has_desktop() -> bool:
    """Whether a browser has a screen to open on; over SSH and in containers none has."""
    return not sys.platform.startswith("linux") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
