"""What may speak to a customer: a campaign, or one step of its chain."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from antiphon.campaigns.models import NO_TIME, Campaign, ChainStep, Channel


@dataclass(frozen=True, slots=True)
class Touch:
    """A campaign with one message. `chain_step` is None where the campaign has no chain."""

    campaign: Campaign
    chain_step: ChainStep | None = None

    @property
    def name(self) -> str:
        """The campaign's name, which owns the occurrence's key, the repeat rule and the arm."""
        return self.campaign.campaign

    @property
    def step(self) -> str:
        """The step's name; '' where there is none."""
        return self.chain_step.step if self.chain_step else ""

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The first by which a customer may be reached."""
        own = self.chain_step.channels if self.chain_step else None
        return own or self.campaign.channels

    @property
    def message(self) -> str:
        """Folder in templates/."""
        message = self.chain_step.message if self.chain_step else self.campaign.message
        assert message is not None, "the check refuses a campaign without a message"
        return message

    @property
    def after(self) -> timedelta:
        """So long after what it starts from it is due; negative: before it."""
        campaign = self.campaign
        if self.chain_step:
            return self.chain_step.after
        if campaign.anniversary:
            return timedelta(days=campaign.anniversary.offset_days)
        return campaign.on.after if campaign.on else NO_TIME

    @property
    def grace(self) -> timedelta:
        """How much later than due it may be sent."""
        campaign = self.campaign
        if campaign.chain and self.chain_step:
            return campaign.chain.grace if self.chain_step.grace is None else self.chain_step.grace
        occasion = campaign.anniversary or campaign.on
        return occasion.grace if occasion else NO_TIME

    @property
    def is_occasional(self) -> bool:
        """Whether it speaks on occasions (anchors of their own) and not to a standing audience."""
        campaign = self.campaign
        return bool(campaign.anniversary or campaign.on or campaign.chain)


def running_on(
    campaigns: Mapping[str, Campaign], day: date, only: Collection[str] | None = None
) -> tuple[Campaign, ...]:
    """Those whose period includes the business day (and that are named in `only`), by name."""
    return tuple(
        campaigns[name]
        for name in sorted(campaigns)
        if campaigns[name].runs.includes(day) and (only is None or name in only)
    )


def touches(campaigns: Iterable[Campaign]) -> tuple[Touch, ...]:
    """Every touch of the campaigns, in their order; a chain's steps in the order of the file."""
    return tuple(
        Touch(campaign, step)
        for campaign in campaigns
        for step in (campaign.chain.steps if campaign.chain else (None,))
    )
