"""The command `send-test`: a campaign as it will arrive, to ourselves."""

from pathlib import Path

import click

from antiphon.commands.screen import as_json, at_option, counted, opened, show
from antiphon.errors import ExitCode, UserFilesError

COLUMNS = ("step", "variant", "language", "channel", "to", "account", "outcome", "evidence")


@click.command("send-test")
@click.argument("campaign")
@click.option("--to", required=True, multiple=True, help="Address or number of ours; repeatable.")
@click.option("--customer", help="Whose message; absent: somebody of today's audience.")
@as_json
@at_option
@click.pass_obj
def send_test(
    root: Path | None, campaign: str, to: tuple[str, ...], customer: str | None, as_json: bool
) -> int:
    """Send every variant and language of a campaign to ourselves, marked [Test] and uncounted.

    Outside `environment: live` only addresses of the allow-list are written to; for others the
    proofs are put into the local outbox.

    Example: antiphon send-test winback-lost-loyal --to me@example.com --to +4915123456789
    """
    from antiphon.guards.proofs import send_test as send  # noqa: PLC0415
    from antiphon.providers import OutcomeKind  # noqa: PLC0415

    project = opened(root)
    proofs = send(project, campaign, to, customer)
    rows = [
        {
            "step": one.of.step,
            "variant": one.of.arm,
            "language": one.of.language,
            "channel": one.of.channel,
            "to": one.seed + 1,
            "account": one.account,
            "outcome": one.kind.value,
            "evidence": one.evidence,
        }
        for one in proofs
    ]
    columns = [name for name in COLUMNS if name != "step" or any(one.of.step for one in proofs)]
    show(f"Proofs of {campaign}", columns, rows, json_too=as_json)
    failed = [one for one in proofs if one.kind is not OutcomeKind.ACCEPTED]
    if failed:
        raise UserFilesError(
            f"{counted(len(failed), 'proof')} did not leave: the table says why. "
            "`antiphon doctor` looks at credentials and sender."
        )
    return ExitCode.DONE
