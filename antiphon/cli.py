"""The command line: `antiphon <command>`; each command's module is imported when it is called."""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import click

from antiphon import __version__
from antiphon.errors import AntiphonError, ExitCode

MODULES = {
    "abandon": "running",
    "audience": "looking",
    "audit": "audit",
    "backup": "backup",
    "bring-in": "bring_in",
    "cancel": "hold",
    "chain": "chain",
    "check": "files",
    "clean": "running",
    "codes": "codes",
    "comments": "comments",
    "confirm": "confirm",
    "customer": "customer",
    "demo": "files",
    "deploy": "running",
    "dispatch": "running",
    "doctor": "doctor",
    "export": "privacy",
    "features": "files",
    "forget": "privacy",
    "measure": "measure",
    "message": "people",
    "new": "new",
    "outbox": "outbox",
    "pause": "hold",
    "plan": "planning",
    "preview": "people",
    "replay": "replay",
    "report": "reports",
    "responses": "responses",
    "restore": "backup",
    "resume": "hold",
    "run": "running",
    "runs": "running",
    "sandbox": "sandbox",
    "segments": "looking",
    "send-test": "send_test",
    "simulate": "simulate",
    "serve": "serve",
    "suppress": "suppress",
    "trigger": "running",
    "why": "people",
}


class LazyGroup(click.Group):
    """Imports only the module of the command that is called: `check` never pays for an engine."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands by name."""
        return sorted(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in MODULES:
            return None
        module = importlib.import_module(f"antiphon.commands.{MODULES[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__)
@click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="ANTIPHON_ROOT",
    help="The project's folder; absent: this one or the nearest above with config/settings.yaml.",
)
@click.pass_context
def cli(context: click.Context, project: Path | None) -> None:
    """Marketing campaigns from plain files: checked, decided, sent once, explained.

    A first success: `antiphon demo`, then `antiphon run --at 2026-05-12T10:00+02:00`.
    """
    context.obj = project


def main() -> None:
    """Run the command; exit code 0 done, 1 the user's files, 2 usage, 3 our own fault."""
    sys.exit(exit_code())


def exit_code(arguments: list[str] | None = None) -> int:
    """Run a command (absent: the process's own arguments); errors are told on standard error."""
    try:
        result: Any = cli.main(arguments, standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("Stopped.", err=True)
        return ExitCode.USAGE
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except AntiphonError as error:
        click.echo(str(error), err=True)
        return error.exit_code
    except BrokenPipeError:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - Python flushes it at exit
        return ExitCode.DONE
    except Exception as error:
        return _our_fault(error)
    return result if isinstance(result, int) else ExitCode.DONE


def _our_fault(error: Exception) -> int:
    """What nobody foresaw: the place in our code goes to a file, no values to the screen."""
    import traceback  # noqa: PLC0415

    frames = traceback.extract_tb(error.__traceback__)
    text = "".join(traceback.format_list(frames)) + type(error).__name__ + "\n"
    path = Path("antiphon-error.log")
    click.echo(f"A fault of Antiphon itself ({type(error).__name__}), not of your files.", err=True)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError:
        click.echo(text, err=True)
    else:
        click.echo(f"  The place is in {path.absolute()}: please report it.", err=True)
    return ExitCode.OUR_FAULT


if __name__ == "__main__":
    main()
