"""config/policy.yaml and its packs, declared once: every kind of rule on contacting people.

A rule has a name, a scope (which contacts and which customers it concerns) and days on which it
holds. Rules never make each other weaker: of several that bind, each forbids by itself.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, ClassVar, Literal, Self, get_args

from pydantic import Field

from antiphon.campaigns.models import Campaign, Category, Channel, Model
from antiphon.campaigns.scalars import (
    CountryOrRegion,
    Day,
    DaySpan,
    Duration,
    Flag,
    Hours,
    Line,
    LongerThanZero,
    Maximum,
    Name,
    Number,
    OneOrMore,
    Share,
    Text,
    Version,
    Weekdays,
    Weight,
    Whole,
    Window,
)

Period = Literal["month", "quarter", "year"]
Need = Literal["none", "opt_out", "opt_in", "double_opt_in"]
Holder = Literal["customer", "household"]
Messages = Annotated[Whole, Field(ge=0)]
NO_TIME = timedelta(0)


class PolicyRule(Model):
    """A rule: its name, which contacts it concerns, which customers, and when it holds."""

    kind: ClassVar[str]

    name: Name = Field(description="Named in every decision it made")
    channel: OneOrMore[Channel] | None = Field(default=None, description="Absent: every channel")
    category: OneOrMore[Category] | None = Field(default=None, description="Absent: every category")
    tag: OneOrMore[Name] | None = Field(
        default=None, description="Campaigns with one of these tags; absent: all"
    )
    campaign: OneOrMore[Name] | None = Field(default=None, description="Absent: every campaign")
    segment: Name | None = Field(default=None, description="Only customers of this segment")
    where: Text | None = Field(
        default=None, description="Only customers for whom this condition over features holds"
    )
    from_: Day | None = Field(
        default=None, alias="from", description="First business day on which it holds"
    )
    until: Day | None = Field(default=None, description="Last business day on which it holds")
    source: Text = Field(default="", description="The law or agreement it stems from")

    @property
    def title(self) -> str:
        """How decisions call it: kind and name."""
        return f"{self.kind}:{self.name}"

    @property
    def is_personal(self) -> bool:
        """Whether it holds for some customers only."""
        return self.segment is not None or self.where is not None

    def holds_on(self, day: date) -> bool:
        """Whether it holds on that business day."""
        return (self.from_ is None or self.from_ <= day) and (
            self.until is None or day <= self.until
        )

    def concerns(self, campaign: Campaign, channel: str | None = None) -> bool:
        """Whether a contact of this campaign (by this channel) is in its scope."""
        return (
            (self.channel is None or channel is None or channel in self.channel)
            and (self.category is None or campaign.category in self.category)
            and (self.campaign is None or campaign.campaign in self.campaign)
            and (self.tag is None or bool(set(self.tag) & set(campaign.tags)))
        )


# ---------------------------------------------------------------- may we speak at all


class ConsentRule(PolicyRule):
    """Stricter consent for a part of the messages or customers; the strictest counts."""

    kind = "consent"

    needs: Need = Field(default="opt_in", description="What the person must have done")
    proof: Flag = Field(default=False, description="yes: the act must have `evidence` on record")
    separate: Flag = Field(
        default=False, description="yes: the act must have been a document of its own"
    )
    acts_since: Day | None = Field(
        default=None, description="Earlier acts need neither proof nor a document of their own"
    )


class SuppressRule(PolicyRule):
    """Customers who are not written to: minors, staff, whoever has an open complaint."""

    kind = "suppress"


class Brake(PolicyRule):
    """Warns, and then stops, when too many answer badly."""

    kind = "brake"

    response: Line = Field(default="complaint", description="Kind of response that is counted")
    warn: Share = Field(description="Share of contacts from which a run warns")
    stop: Share = Field(description="Share of contacts from which nothing more is sent")
    per: LongerThanZero = Field(default=timedelta(days=30), description="Counted over so long")
    at_least: Whole = Field(default=1000, ge=1, description="Of fewer contacts no share is judged")


class OneClick(PolicyRule):
    """Every e-mail in its scope must carry the headers of one-click unsubscribing (RFC 8058)."""

    kind = "one_click"


# ---------------------------------------------------------------- how often


class Cap(PolicyRule):
    """At most `max` contacts in any window of `per`."""

    kind = "cap"

    max: Maximum = Field(
        description="So many contacts; a number, or an expression over features (null: none)"
    )
    per: Window = Field(
        description="in any window of this length; or in each calendar day, week, month, quarter "
        "or year of the customer's own zone; or ever"
    )
    each: Literal["campaign", "offer", "channel", "category"] | None = Field(
        default=None, description="Counted for each of these apart; absent: together"
    )
    of: Holder = Field(default="customer", description="Whose contacts are counted")


class Gap(PolicyRule):
    """At least so long between two contacts."""

    kind = "gap"

    at_least: LongerThanZero = Field(description="Between any two contacts in its scope")
    each: Literal["campaign", "offer", "channel", "category"] | None = Field(
        default=None, description="Between contacts of the same one only; absent: of all"
    )
    of: Holder = Field(default="customer", description="Whose contacts are compared")

    @property
    def cap(self) -> Cap:
        """The same as a cap: at most one contact in any window of that length."""
        scope = self.model_dump(exclude={"at_least"}, exclude_defaults=True, by_alias=True)
        return Cap(max=1, per=self.at_least, **scope)


class Pause(PolicyRule):
    """Nothing for a while after something the customer did: bought, complained, was unhappy."""

    kind = "pause"

    after: Line = Field(
        description="order, a kind of response (complaint, conversion, survey, …) or an event"
    )
    below: Number | None = Field(
        default=None, description="Only after a response whose value is less (a survey's score)"
    )
    survey: Name | None = Field(
        default=None, description="Only after answers to this survey; absent: to any"
    )
    rest: LongerThanZero = Field(description="So long nothing is sent")


class CoolDown(PolicyRule):
    """A rest when the last messages were all ignored: no open, click, reply or conversion."""

    kind = "cool_down"

    ignored: Whole = Field(ge=1, description="So many messages in a row without an answer")
    within: LongerThanZero = Field(
        default=timedelta(days=180), description="Older messages do not count"
    )
    rest: LongerThanZero = Field(description="So long nothing is sent after the last of them")


class Ratio(PolicyRule):
    """Of all messages in its scope at most a share may be of one tag (discounts)."""

    kind = "ratio"

    of: OneOrMore[Name] = Field(description="Tags of the campaigns whose share is limited")
    share: Share = Field(description="At most so many of all contacts, this one included")
    per: LongerThanZero = Field(description="over so long up to the message")
    free: Whole = Field(default=0, ge=0, description="So many are allowed whatever the share")


# ---------------------------------------------------------------- which beside which


class Exclusion(PolicyRule):
    """Who got one of these gets none of the others: ever, or for a while (before and after)."""

    kind = "exclusion"

    campaigns: OneOrMore[Name] = Field(default=(), description="Each excludes the others")
    tags: OneOrMore[Name] = Field(
        default=(), description="Campaigns of one tag exclude those of the others"
    )
    per: LongerThanZero | None = Field(default=None, description="For so long; absent: for ever")


class Sequence(PolicyRule):
    """The campaigns in its scope speak only to those who got another one before."""

    kind = "sequence"

    after: OneOrMore[Name] = Field(description="One of these campaigns must have written before")
    wait: Duration = Field(default=NO_TIME, description="At least so long before")
    within: LongerThanZero | None = Field(
        default=None, description="At most so long before; absent: at any time"
    )


class ChainLimit(PolicyRule):
    """A customer is in at most so many chains at a time; another one does not begin."""

    kind = "chains"

    max: Whole = Field(ge=1, description="So many chains at a time")


# ---------------------------------------------------------------- when


class Times(PolicyRule):
    """When messages may leave, on the customer's own clock; others wait for the next moment."""

    kind = "time"

    hours: Hours | None = Field(default=None, description="Only from … to …: 08:00-21:00")
    quiet: Hours | None = Field(default=None, description="Not from … to …: 21:00-08:00")
    days: Weekdays = Field(
        default=frozenset(range(7)), description="weekdays, weekends, daily, or mon, tue, …"
    )
    blackout: OneOrMore[DaySpan] = Field(
        default=(),
        description="No message on these days: 2026-12-24, 2026-12-24..2026-12-26, or every year "
        "12-24..12-26",
    )
    holidays: OneOrMore[CountryOrRegion] = Field(
        default=(),
        description="No message on public holidays of these countries (DE) or their parts "
        "(DE-BY); `own`: of the customer's own country",
    )


# ---------------------------------------------------------------- how much in all


class Capacity(PolicyRule):
    """What a channel can carry: what is more waits for the next hour, or another day."""

    kind = "capacity"

    per_hour: Whole | None = Field(default=None, ge=0, description="Messages in each clock hour")
    per_day: Whole | None = Field(default=None, ge=0, description="Messages in each business day")


class WarmUp(PolicyRule):
    """A new sender grows slowly: so many messages on its first day, its second, …; `from` is
    its first day. After the last there is no limit."""

    kind = "warm_up"

    per_day: OneOrMore[Messages] = Field(description="Messages of day 1, 2, 3, …")


class Budget(PolicyRule):
    """Money for messages, by `costs`."""

    kind = "budget"

    money: Number = Field(ge=0, description="At most so much, in the business currency")
    per: Literal["day", "month"] = Field(description="of business time")


class Costs(Model):
    """What one message costs, in the business currency."""

    email: Number = Field(default=Decimal(0), ge=0, description="One e-mail")
    sms: Number = Field(default=Decimal(0), ge=0, description="One segment of an SMS")


# ---------------------------------------------------------------- who is held out


class UniversalControl(Model):
    """A share of all units that receives no marketing at all."""

    share: Share = Field(description="How many of all units")
    period: Period = Field(default="quarter", description="How long a unit stays in it")


class Layer(Model):
    """Units divided once: each is in one group, and a campaign of a group asks only its units."""

    groups: dict[Name, Weight] = Field(min_length=1, description="group: its weight")
    period: Period | None = Field(
        default=None, description="How long a unit stays in its group; absent: for ever"
    )


# ---------------------------------------------------------------- the whole


class Rules(Model):
    """What a policy and a pack may both declare."""

    consents: tuple[ConsentRule, ...] = Field(default=(), description="Stricter consent")
    suppress: tuple[SuppressRule, ...] = Field(default=(), description="Who is not written to")
    brakes: tuple[Brake, ...] = Field(default=(), description="Stop when too many complain")
    one_click: tuple[OneClick, ...] = Field(
        default=(), description="Which e-mails must carry RFC 8058 headers"
    )
    caps: tuple[Cap, ...] = Field(default=(), description="At most so many contacts in so long")
    gaps: tuple[Gap, ...] = Field(default=(), description="At least so long between contacts")
    pauses: tuple[Pause, ...] = Field(default=(), description="A rest after something happened")
    cool_downs: tuple[CoolDown, ...] = Field(
        default=(), description="A rest when messages were ignored"
    )
    ratios: tuple[Ratio, ...] = Field(default=(), description="At most such a share of one tag")
    exclusions: tuple[Exclusion, ...] = Field(default=(), description="One or the other, not both")
    sequences: tuple[Sequence, ...] = Field(default=(), description="One only after another")
    chains: tuple[ChainLimit, ...] = Field(default=(), description="So many chains at a time")
    times: tuple[Times, ...] = Field(default=(), description="Hours, weekdays and days of silence")
    capacity: tuple[Capacity, ...] = Field(default=(), description="Messages per hour and day")
    warm_up: tuple[WarmUp, ...] = Field(default=(), description="How a new sender grows")
    budgets: tuple[Budget, ...] = Field(default=(), description="Money per day and month")

    def rules(self) -> Iterator[PolicyRule]:
        """Every rule that has a name, in the order of the file's sections."""
        for section in RULES:
            yield from getattr(self, section)


RULES = tuple(Rules.model_fields)


class Pack(Rules):
    """config/packs/*.yaml: rules of a law or of a provider, that a policy includes by name."""

    version: Version = Field(description="Version of this file's format")
    pack: Name = Field(description="Its name, the same as the file's")
    title: Line = Field(description="What it is about")
    as_of: Day = Field(description="The day of which the rules were read from their sources")


class Policy(Rules):
    """config/policy.yaml: all the rules on contacting people.

    A configuration's policy holds the rules of its `packs` too, after its own.
    """

    version: Version = Field(description="Version of this file's format")
    packs: OneOrMore[Name] = Field(
        default=(), description="Files of config/packs/ whose rules hold as well"
    )
    consent: dict[Category, Need] = Field(
        description="opt_in: only after agreement, double_opt_in: that was confirmed; "
        "opt_out: until objection; none: not needed"
    )
    winners_per_day: Whole = Field(default=1, ge=1, description="Messages to a customer in a day")
    exempt: tuple[Category, ...] = Field(
        default=(),
        description="Categories that need only consent and an address: exempt from all other "
        "rules and from control groups",
    )
    uncounted: tuple[Category, ...] = Field(
        default=(), description="Exempt categories that do not even count in the others' rules"
    )
    costs: Costs = Costs()
    universal_control: UniversalControl | None = Field(
        default=None, description="Absent: nobody is held out of everything"
    )
    tests: dict[Name, Layer] = Field(
        default_factory=dict, description="layer: groups of units that exclude each other"
    )

    @property
    def consent_rules(self) -> tuple[ConsentRule, ...]:
        """`consent` as rules named like their categories (one that is not named there needs
        agreement), then `consents`."""
        by_category = (
            ConsentRule(
                name=category, category=(category,), needs=self.consent.get(category, "opt_in")
            )
            for category in get_args(Category)
        )
        return (*by_category, *self.consents)

    def with_packs(self, packs: tuple[Pack, ...]) -> Self:
        """The policy with the rules of these packs after its own."""
        more = {
            section: (
                *getattr(self, section),
                *(one for pack in packs for one in getattr(pack, section)),
            )
            for section in RULES
        }
        return self.model_copy(update=more)
