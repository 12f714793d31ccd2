"""Doubts settled without sending anything: asked of the providers, then by declared policy."""

import asyncio
from contextlib import AsyncExitStack

from antiphon.campaigns.models import CHANNELS
from antiphon.dispatch.accounts import Accounts
from antiphon.dispatch.composing import Composer
from antiphon.dispatch.ledger_thread import LedgerThread
from antiphon.dispatch.settling import Settling
from antiphon.dispatch.tally import Tally
from antiphon.project import Project
from antiphon.steps.holder import is_dead
from antiphon.steps.reading import Reader


def settle_doubts(project: Project) -> Tally:
    """What a pass of dispatch would settle, messages of senders that died meanwhile included."""
    outbox, tally = project.ledger.messages, Tally()
    dead = [holder for holder in outbox.holders() if is_dead(holder)]
    tally.count("senders_died", outbox.recover(project.clock(), dead))
    for channel in CHANNELS:
        if outbox.in_doubt(channel, limit=1):
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
