"""The command `serve`: the public web server."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from antiphon.commands.screen import at_option, glanced
from antiphon.errors import ExitCode

if TYPE_CHECKING:
    from antiphon.web.app import App


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
@click.option(
    "--parse/--no-parse",
    default=True,
    show_default=True,
    help="Read what arrives at once; else the responses flow does.",
)
@at_option
@click.pass_obj
def serve(root: Path | None, host: str, port: int, parse: bool) -> int:
    """Serve webhooks of providers and the pages that messages link to (docs/web.md).

    Put a proxy with TLS before it, which passes `links: base_url` on. Ends with Ctrl-C or SIGTERM
    once the answers under way are given.

    Examples: antiphon serve, antiphon serve --host 0.0.0.0 --port 8443 --no-parse
    """
    from antiphon.web.app import create_app  # noqa: PLC0415
    from antiphon.web.keys import missing  # noqa: PLC0415
    from antiphon.web.server import serve as run  # noqa: PLC0415

    project = glanced(root)
    app = create_app(project)
    for line in missing(project, app.site.keys):
        click.echo(f"{line[0].upper()}{line[1:]}.", err=True)
    run(app, host, port, parse=_parser(app) if parse else None, ready=_say(app))
    click.echo("Ended.")
    return ExitCode.DONE


def _parser(app: "App") -> Callable[[], bool]:
    from antiphon.collection.inbox import parse  # noqa: PLC0415

    return lambda: parse(app.site.project).is_busy


def _say(app: "App") -> Callable[[str], None]:
    def say(url: str) -> None:
        base = app.site.project.configuration.settings.links.base_url
        click.echo(f"Listening at {url}, for {base}. Ends with Ctrl-C.")

    return say
