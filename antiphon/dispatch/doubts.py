"""Doubts settled without sending anything: asked of the providers, then by declared policy."""

import asyncio
from contextlib import AsyncExitStack

from antiphon.campaigns.models import CHANNELS
from antiphon.dispatch.accounts import Accounts
from antiphon.dispatch.composing import Composer
from antiphon.dispatch.ledger_thread import LedgerThread
from antiphon.dispatch.settling import Settling, recover
from antiphon.dispatch.tally import Tally
from antiphon.project import Project
from antiphon.steps.reading import Reader


def settle_doubts(project: Project) -> Tally:
    """What a pass of dispatch would settle, messages of senders that died meanwhile included."""
    tally = Tally()
    recover(project, tally)
    for channel in CHANNELS:
        if project.ledger.messages.in_doubt(channel, limit=1):
            asyncio.run(_settle(project, channel, tally))
    return tally


async def _settle(project: Project, channel: str, tally: Tally) -> None:
    thread = LedgerThread()
    accounts = Accounts(project, channel, thread, tally)
    composer = Composer(project, channel, Reader(project))
    try:
        async with AsyncExitStack() as stack:
            await accounts.open(stack)
            settling = Settling(project, channel, thread, accounts, composer, tally)
            await settling.ask(everything=True)
            await settling.by_policy()
    finally:
        thread.close()
