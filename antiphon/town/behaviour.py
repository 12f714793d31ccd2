"""How the people of a town truly behave: what no company knows of its own customers.

Declared in a file of the town (town.yaml), in the words and with the scalars of the other
configuration; every key has a usual value, so a file may say only what it wants otherwise.
"""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from antiphon.campaigns.complaints import complaints
from antiphon.campaigns.documents import parse
from antiphon.campaigns.models import Model
from antiphon.campaigns.scalars import LongerThanZero, Name, Number, Share, Whole
from antiphon.errors import ConfigError

Factor = Annotated[Number, Field(ge=0, le=100)]


class Kind(StrEnum):
    """What sort of customer somebody truly is, whatever our segments make of it."""

    REGULAR = "regular"  # four orders a year and more
    OCCASIONAL = "occasional"
    GONE = "gone"  # left us, and orders only if a message brings them back


class Delivery(Model):
    """What becomes of messages before anybody reads them."""

    bounce: Share = Field(default=0.004, description="e-mail addresses that are dead")
    soft_bounce: Share = Field(default=0.01, description="e-mails that cannot be delivered today")
    undelivered: Share = Field(default=0.02, description="SMS that never arrive")


class Reading(Model):
    """What people do with a message that arrived and did not tire them."""

    open: Share = Field(default=0.35, description="e-mails opened by a person")
    machine_open: Share = Field(default=0.15, description="e-mails opened by a mail program")
    click: Share = Field(default=0.12, description="of the opened ones, clicked")
    reply: Share = Field(default=0.002, description="of the SMS, answered with words of one's own")


class Fatigue(Model):
    """Who is written to too often cares less: each message above `free` within `within` takes
    `loses` of what is left of opening, clicking and ordering, and adds as much to opting out."""

    free: Whole = Field(default=3, ge=0, description="messages that tire nobody")
    within: LongerThanZero = Field(default=timedelta(days=7), description="… in this time")
    loses: Share = Field(default=0.3, description="what each further one takes")


class Leaving(Model):
    """Hazards of losing somebody, for each message that arrived; tired people leave sooner."""

    opt_out: Share = Field(default=0.002, description="opt-outs by the link, or STOP")
    complaint: Share = Field(default=0.0004, description="e-mails reported as spam")


class Answering(Model):
    """Surveys."""

    share: Share = Field(default=0.2, description="messages with a survey that are answered")
    satisfied: Share = Field(default=0.8, description="the mean score, as a share of the scale")


class Shopping(Model):
    """Orders with and without us."""

    rate: Factor = Field(
        default=Decimal(1), description="times the demo company's usual orders a year"
    )
    soon: LongerThanZero = Field(
        default=timedelta(days=2), description="mean time from a message to the order it caused"
    )
    latest: LongerThanZero = Field(
        default=timedelta(days=8), description="no message causes an order later than that"
    )
    code: Share = Field(default=0.6, description="caused orders that use the message's code")
    returned: Share = Field(default=0.05, description="orders given back within some days")


class Behaviour(Model):
    """The truth about a town."""

    version: Whole = 1
    customers: Annotated[Whole, Field(ge=50, le=1_000_000)] = Field(
        default=2_000, description="how many people live here"
    )
    shopping: Shopping = Shopping()
    delivery: Delivery = Delivery()
    reading: Reading = Reading()
    fatigue: Fatigue = Fatigue()
    leaving: Leaving = Leaving()
    surveys: Answering = Answering()
    effects: dict[Name, dict[Kind, Share]] = Field(
        default_factory=dict,
        description="campaign → kind of customer → share of those reached who order because of it",
    )
    usual_effect: dict[Kind, Share] = Field(
        default={Kind.REGULAR: 0.02, Kind.OCCASIONAL: 0.01, Kind.GONE: 0.005},
        description="the effect of campaigns that `effects` does not name",
    )

    def effect(self, campaign: str) -> Mapping[Kind, float]:
        """The share of those reached who order because of one message of the campaign, by kind."""
        own = self.effects.get(campaign, self.usual_effect)
        return {kind: own.get(kind, 0.0) for kind in Kind}


def read_behaviour(path: Path) -> Behaviour:
    """The file's; raises ConfigError with every problem and its line."""
    document, problems = parse(path.name, path.read_text(encoding="utf-8"))
    if not problems:
        try:
            return Behaviour.model_validate(document.values or {})
        except ValidationError as error:
            problems = complaints(document, Behaviour, error.errors())
    raise ConfigError(problems)
