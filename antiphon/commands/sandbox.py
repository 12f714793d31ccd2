"""The command `sandbox`: a rehearsal of providers on this machine."""

from collections.abc import Callable
from pathlib import Path

import click

from antiphon.commands.screen import at_option, glanced
from antiphon.errors import ExitCode

FOLDER = "var/sandbox"


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8025, show_default=True)
@click.option(
    "--faults",
    "script",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON script of what goes wrong, and of what becomes of messages (docs/rehearsal.md).",
)
@click.option(
    "--events-to",
    metavar="URL",
    default="",
    help="A web server on this machine that is told of deliveries, opens, clicks, answers.",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help=f"Where its journal lies.  [default: {FOLDER}]",
)
@click.option("--fresh", is_flag=True, help="Forget what was accepted before.")
@click.option("--no-activity", is_flag=True, help="As an account without Email Activity.")
@at_option
@click.pass_obj
def sandbox(  # noqa: PLR0917 (click hands its options over)
    root: Path | None,
    port: int,
    script: Path | None,
    events_to: str,
    folder: Path | None,
    fresh: bool,
    no_activity: bool,
) -> int:
    """Stand in for SendGrid and Twilio on this machine; a mailbox page shows what was sent.

    Let `providers` in config/settings.yaml name the account `sandbox`; then run and dispatch as
    always. Ends with Ctrl-C. Rehearse both at the same moment: --at.

    Examples: antiphon sandbox --fresh --at 2026-05-12T10:00+02:00,
    antiphon sandbox --faults bad-day.json
    """
    from antiphon.sandbox.faults import read_script  # noqa: PLC0415
    from antiphon.sandbox.journal import accepted  # noqa: PLC0415
    from antiphon.sandbox.server import serve  # noqa: PLC0415

    project = glanced(root)
    folder = folder or project.root / FOLDER
    read = read_script(script) if script else None
    before = sum(accepted(folder).values())
    serve(
        folder,
        port=port,
        script=read,
        events_to=events_to,
        shows_activity=not no_activity,
        sender=project.configuration.settings.company.email_from,
        clock=project.clock,
        is_fresh=fresh,
        ready=_says(folder, 0 if fresh else before),
    )
    count = accepted(folder)
    twice = sum(times > 1 for times in count.values())
    click.echo(
        f"Ended. {sum(count.values()):,} messages were accepted in all"
        + (f", {twice:,} of them more than once." if twice else ", none of them twice.")
    )
    return ExitCode.DONE


def _says(folder: Path, before: int) -> Callable[[str], None]:
    def say(url: str) -> None:
        lines = [
            f"The sandbox listens at {url}: open it in a browser to see the messages.",
            "  Accounts that use it: `providers: {email: sandbox, sms: sandbox}`.",
            f"  Journal in {folder}" + (f", with {before:,} messages." if before else "."),
        ]
        if not url.endswith(":8025"):
            lines.append(f"  Tell the other commands: export ANTIPHON_SANDBOX_URL={url}")
        click.echo("\n".join(lines))

    return say
