"""What was measured in a town beside the truth about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp
from typing import Any

import numpy as np

from antiphon.reports.lifts import CampaignLift, lifts
from antiphon.reports.rates import report_table
from antiphon.response.nps import DETRACTORS_UP_TO, PROMOTERS_FROM, NetPromoter
from antiphon.response.rates import Rate
from antiphon.states import MessageState, ResponseKind
from antiphon.town.days import Town
from antiphon.town.happenings import Sent
from antiphon.town.reactions import arrival_share, caused_within, kept, true_score

CONTROL_ARMS = ("control", "universal_control")
YEAR = timedelta(days=365.25)
RATES = ("opened", "machine_opened", "clicked", "unsubscribed")
SHOWN = ("opened", "clicked")


@dataclass(frozen=True, slots=True)
class Response:
    """How often something came back of a campaign's messages: as measured, and truly, on average
    over chance."""

    campaign: str
    name: str
    measured: Rate
    truth: float

    @property
    def holds(self) -> bool:
        """Whether the truth lies in the measured interval."""
        low, high = self.measured.interval() or (0.0, 1.0)
        return low <= self.truth <= high


@dataclass(frozen=True, slots=True)
class Worth:
    """What a campaign was worth: as measured, and truly. `truth`: more conversions per row of those
    drawn to be written to, on average over chance; None while no window is over."""

    campaign: str
    measured: CampaignLift
    truth: float | None

    @property
    def holds(self) -> bool | None:
        """Whether the truth lies in the measured interval; None where nothing is measured."""
        found = self.measured.verdict
        if self.truth is None or found.low is None or found.high is None:
            return None
        return found.low <= self.truth <= found.high


def responses(town: Town) -> list[Response]:
    """Campaign by campaign, in their order: RATES of the e-mails that left."""
    table = report_table(town.project, "campaigns")
    measured = {
        (campaign, one.name): rate
        for one in table.rates
        for campaign, rate in zip(
            table.counts["campaign"].to_pylist(), table.column(one), strict=True
        )
    }
    found = []
    by_campaign: dict[str, list[Sent]] = {}
    for sent in town.sent.values():
        by_campaign.setdefault(sent.campaign, []).append(sent)
    for campaign, letters in sorted(by_campaign.items()):
        for name in RATES:
            rate = measured.get((campaign, name), Rate(0, 0))
            truths = [_expected(town, one, name) for one in letters]
            found.append(Response(campaign, name, rate, float(np.mean(truths))))
    return found


def _expected(town: Town, sent: Sent, name: str) -> float:
    """How probable it was that this came back of a message by now."""
    behaviour, is_email = town.behaviour, sent.letter.is_email
    arrives = arrival_share(behaviour, is_email)
    interest = float(kept(behaviour.fatigue, np.array([float(sent.lately)]))[0])
    if name == "unsubscribed":
        return arrives * min(behaviour.leaving.opt_out * (2 - interest) ** 2, 1.0)
    if not is_email:
        return 0.0
    shares = {
        "opened": behaviour.reading.open * interest,
        "machine_opened": behaviour.reading.machine_open * (1 - behaviour.reading.open * interest),
        "clicked": behaviour.reading.open * interest * behaviour.reading.click,
    }
    return arrives * shares[name]


def promoters(town: Town) -> tuple[NetPromoter, float]:
    """The Net Promoter Score of all surveys answered in the town, and the true one."""
    ledger, scores = town.project.ledger, []
    for sent in town.sent.values():
        if sent.asks:
            told = ledger.responses.of_message(sent.letter.message_id)
            given = [one.value for one in told if one.kind == ResponseKind.SURVEY]
            scores += [int(value) for value in given[-1:] if value is not None]
    high = sum(score >= PROMOTERS_FROM for score in scores)
    low = sum(score <= DETRACTORS_UP_TO for score in scores)
    return NetPromoter(high, len(scores) - high - low, low), true_score(town.behaviour)


def worths(town: Town) -> list[Worth]:
    """Campaigns with a control group and a goal."""
    rows = list(_drawn(town))
    return [
        Worth(one.campaign, one, _true_lift(town, one.campaign, rows))
        for one in lifts(town.project)
    ]


@dataclass(frozen=True, slots=True)
class _Row:
    campaign: str
    contact_at: datetime
    sent: Sent | None


def _drawn(town: Town) -> Iterator[_Row]:
    """Everything that was drawn to be written to, whether it left or not."""
    with town.project.ledger.history.contacts_since(0) as reader:
        table = reader.read_all()
    for row in table.to_pylist():
        if row["arm"] not in CONTROL_ARMS and row["state"] != MessageState.PLANNED:
            yield _Row(row["campaign"], row["contact_at"], town.sent.get(row["message_id"]))


def _true_lift(town: Town, campaign: str, rows: Sequence[_Row]) -> float | None:
    """The probability of a conversion that only the message brings: it arrives, causes an order
    within the window, and the person orders nothing else in it."""
    goal = town.project.configuration.campaigns[campaign].goal
    if goal is None:
        return None
    now, seconds = town.clock(), goal.within.total_seconds()
    within, years = caused_within(town.behaviour, seconds), goal.within / YEAR
    extra = []
    for row in rows:
        if row.campaign != campaign or row.contact_at + goal.within > now:
            continue
        if row.sent is None:
            extra.append(0.0)
            continue
        sent = row.sent
        interest = float(kept(town.behaviour.fatigue, np.array([float(sent.lately)]))[0])
        rate = town.people.rate(sent.customer)
        arrives = arrival_share(town.behaviour, sent.letter.is_email)
        extra.append(arrives * sent.effect * interest * within * exp(-rate * years))
    return float(np.mean(extra)) if extra else None


def response_rows(found: Sequence[Response]) -> list[dict[str, Any]]:
    """A row per campaign: how many were sent, and of SHOWN the measured rate, then the truth."""
    rows: dict[str, dict[str, Any]] = {}
    for one in found:
        row = rows.setdefault(one.campaign, {"campaign": one.campaign, "sent": one.measured.whole})
        if one.name in SHOWN and one.measured.whole:
            row[one.name] = str(one.measured).partition(", n ")[0] + ")"
            row[f"truly {one.name}"] = f"{one.truth:.1%}"
    return list(rows.values())
