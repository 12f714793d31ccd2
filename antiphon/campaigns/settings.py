"""config/settings.yaml, declared once: what belongs to the company and the machine."""

import re
from datetime import timedelta
from typing import Literal

from pydantic import Field

from antiphon.campaigns.models import Model
from antiphon.campaigns.scalars import (
    Buckets,
    Country,
    Currency,
    Day,
    Duration,
    EnvironmentName,
    Language,
    Line,
    LongerThanZero,
    MailAddress,
    Memory,
    Name,
    Number,
    OneOrMore,
    Share,
    SmsSender,
    Text,
    Version,
    WebAddress,
    Whole,
    Zone,
)


class Company(Model):
    """Who speaks: shown in every message (`company` in templates)."""

    name: Line = Field(description="Name of the company")
    postal_address: Text = Field(description="Postal address, printed in every marketing message")
    website: WebAddress = Field(description="Address of the web site, with https://")
    email_from: MailAddress = Field(description="Sender address of e-mail")
    email_from_name: Line = Field(description="Sender name of e-mail")
    sms_from: SmsSender = Field(description="Sender number or name of SMS")

    def sender(self, channel: str) -> tuple[str, str]:
        """The address or number that writes by the channel, and its name ('' for SMS)."""
        if channel == "email":
            return self.email_from, self.email_from_name
        return self.sms_from, ""


class Business(Model):
    """Where and when the company does business."""

    timezone: Zone = Field(description="Business time zone; the business day is a day of it")
    country: Country = Field(
        description="Country of customers that have none of their own; region of phone numbers"
    )
    languages: tuple[Language, ...] = Field(
        description="Languages of messages, the first is the fallback", min_length=1
    )
    currency: Currency = Field(description="Currency of all amounts")


class Retention(Model):
    """How long each store of the lake keeps what."""

    snapshots: Duration = Field(description="Old snapshots no reader or run has pinned")
    decisions: Duration = Field(description="Single decisions; older ones become daily counts")
    quarantine: Duration = Field(description="Quarantined rows")
    validation: Duration = Field(description="Stored validation results")


class LakeSettings(Model):
    """Where the lake lies and how it is cut."""

    path: Line = Field(default="var/lake", description="Folder of the lake")
    buckets: Buckets | None = Field(
        default=None, description="Buckets by customer, a power of two; absent: by size"
    )
    memory: Memory = Field(default="4GB", description="Memory limit of the engine")
    threads: Whole = Field(default=2, ge=1, le=256, description="Threads of the engine")
    retention: Retention


class LedgerSettings(Model):
    """Where the ledger is."""

    url: Line | None = Field(
        default=None, description="SQLAlchemy URL without password; absent: SQLite in var/"
    )
    url_from: EnvironmentName | None = Field(
        default=None,
        description="Environment variable that holds the URL; or NAME_FILE, a file that does",
    )


class ProviderSettings(Model):
    """Which accounts deliver each channel."""

    email: OneOrMore[Name] = Field(
        default=("local",),
        description="Account for e-mail; of several the first that works, for what certainly "
        "was not sent by one before it",
    )
    sms: OneOrMore[Name] = Field(default=("local",), description="Account for SMS; or several")
    outbox: Line = Field(default="var/outbox", description="Folder of the local provider")
    allow_list: tuple[Line, ...] = Field(
        default=(),
        description="Outside `environment: live` only these are written to, addresses, "
        "*@domain or numbers; everything else goes to the local outbox",
    )


class WarmUpDays(Model):
    """What a new sender may send on its first days."""

    from_: Day = Field(alias="from", description="The first day")
    per_day: tuple[Whole, ...] = Field(
        min_length=1, description="Messages on the first day, the second, …; then without limit"
    )


class Account(Model):
    """How one provider is used; the accounts sendgrid, twilio, local and sandbox are there
    without being declared."""

    uses: Name | None = Field(
        default=None, description="The provider: a module of antiphon/providers/; absent: its name"
    )
    url: WebAddress | None = Field(
        default=None, description="Another address of its API (a region, a rehearsal)"
    )
    secrets: dict[Name, EnvironmentName] = Field(
        default_factory=dict,
        description="Environment variable of each secret it needs; absent: the usual ones",
    )
    options: dict[Name, Line] = Field(
        default_factory=dict, description="What this provider alone knows (docs/providers.md)"
    )
    batch: Whole = Field(default=1000, ge=1, le=1000, description="Messages a request, at most")
    at_once: Whole = Field(default=32, ge=1, le=1000, description="Requests at the same time")
    per_second: Number | None = Field(
        default=None, gt=0, description="Messages a second, of all dispatchers together"
    )
    per_hour: Whole | None = Field(default=None, ge=1, description="Messages in a clock hour")
    warm_up: WarmUpDays | None = Field(default=None, description="Less on its first days")
    time_out: Whole = Field(default=30, ge=1, le=600, description="Seconds to wait for an answer")


class DoubtSettings(Model):
    """What becomes of a message of which nobody knows whether it left."""

    grace: LongerThanZero = Field(
        default=timedelta(days=3), description="So long evidence is waited for"
    )
    then: Literal["wait", "sent", "again"] = Field(
        default="wait",
        description="Without evidence by then: wait for a person, take it for sent (nobody is "
        "written to twice), or send it again (somebody may be)",
    )


class DispatchSettings(Model):
    """How messages leave, and when they stop leaving."""

    in_doubt: DoubtSettings = DoubtSettings()
    failures: Whole = Field(
        default=5, ge=1, description="So many failed requests one after the other pause an account"
    )
    pause: LongerThanZero = Field(
        default=timedelta(minutes=5), description="So long; then one request tries again"
    )
    refused: Share = Field(
        default=0.2, description="Share of refused messages that pauses a campaign"
    )
    refused_of: Whole = Field(
        default=100, ge=1, description="Of at least so many answers in the last day"
    )


class SmsSettings(Model):
    """What an SMS may cost."""

    segments: Whole = Field(
        default=2, ge=1, le=10, description="`check` warns of templates that take more segments"
    )


class AlertSettings(Model):
    """Who is told when a run failed, is late or was not released, or an account is paused."""

    email: OneOrMore[MailAddress] | None = Field(default=None, description="Addresses")
    webhook: WebAddress | None = Field(
        default=None, description="Gets each alert as JSON; its secret stands in `webhook_from`"
    )
    webhook_from: EnvironmentName | None = Field(
        default=None, description="Environment variable with the address, where it is a secret"
    )
    late: LongerThanZero = Field(
        default=timedelta(hours=2),
        description="So long after its hour in prefect.yaml a daily run that has not ended is late",
    )


class UtmTags(Model):
    """Campaign tags on links, for web analytics; {channel}, {campaign}, {category}, {message},
    {variant} and {language} are filled in."""

    source: Line = Field(description="utm_source")
    medium: Line = Field(default="{channel}", description="utm_medium")
    campaign: Line = Field(default="{campaign}", description="utm_campaign")
    content: Line | None = Field(default=None, description="utm_content; absent: none")
    domains: tuple[Line, ...] = Field(
        default=(), description="Further sites whose links are tagged; the company's always are"
    )


_LOOPBACK = r"https?://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?(/|$)"


class LinkSettings(Model):
    """Public addresses in messages."""

    base_url: WebAddress = Field(description="Public address of the web server, with https://")
    key_from: EnvironmentName = Field(
        default="ANTIPHON_LINK_KEY",
        description="Environment variable with the key that signs links; or NAME_FILE, a file",
    )
    utm: UtmTags | None = Field(default=None, description="Absent: links carry no campaign tags")
    clicks: Literal["provider", "own"] = Field(
        default="provider",
        description="Who counts clicks: the provider where it does, or redirects of our own "
        "(antiphon serve)",
    )

    @property
    def is_on_loopback(self) -> bool:
        """Whether links lead to the machine itself, as a rehearsal's may."""
        return re.match(_LOOPBACK, self.base_url) is not None


class WebSettings(Model):
    """What the web server accepts (antiphon serve, docs/web.md)."""

    link_age: LongerThanZero = Field(
        default=timedelta(days=400),
        description="Personal pages open so long after their message; one can always unsubscribe",
    )
    signature_age: LongerThanZero = Field(
        default=timedelta(days=7),
        description="Older signed requests are refused; providers repeat theirs for a day",
    )
    sendgrid_key_from: EnvironmentName = Field(
        default="SENDGRID_WEBHOOK_KEY",
        description="Environment variable with the verification key of SendGrid's Event Webhook, "
        "several with commas between; or NAME_FILE, a file",
    )
    twilio_key_from: EnvironmentName = Field(
        default="TWILIO_WEBHOOK_KEY",
        description="Environment variable with Twilio's shared key for webhooks, where one is "
        "used; else Twilio signs with the account's auth token",
    )


class OfferSettings(Model):
    """Promo codes of one's own."""

    key_from: EnvironmentName = Field(
        default="ANTIPHON_CODE_KEY",
        description="Environment variable with the secret that codes are drawn with; or "
        "NAME_FILE, a file; absent: a key of this machine's own in var/",
    )
    till_from: EnvironmentName = Field(
        default="ANTIPHON_TILL_KEY",
        description="Environment variable with the secret by which tills redeem codes over HTTP; "
        "or NAME_FILE, a file",
    )


class SoftBounceSettings(Model):
    """From when on an address that keeps refusing is left alone."""

    count: Whole = Field(default=3, ge=1, description="So many refusals for now")
    within: LongerThanZero = Field(default=timedelta(days=30), description="within so long")


class ResponseSettings(Model):
    """What comes back, and what follows from it (docs/responses.md)."""

    soft_bounces: SoftBounceSettings = SoftBounceSettings()
    stop_words: dict[Language, OneOrMore[Line]] = Field(
        default_factory=dict,
        description="language: words by which people stop SMS, in the place of ours; "
        "the whole text must be one of them",
    )
    start_words: dict[Language, OneOrMore[Line]] = Field(
        default_factory=dict, description="language: words by which they take it back"
    )
    poll: OneOrMore[Name] = Field(
        default=(),
        description="Accounts that are asked every few minutes for opt-outs, bounces and states; "
        "needed where their webhooks cannot reach us",
    )
    keep_requests: LongerThanZero = Field(
        default=timedelta(days=30),
        description="So long the providers' requests are kept as they came, once they were read",
    )


class Settings(Model):
    """config/settings.yaml: what belongs to the company and the machine. Never a secret."""

    version: Version = Field(description="Version of this file's format")
    company: Company
    business: Business
    lake: LakeSettings
    ledger: LedgerSettings = LedgerSettings()
    environment: Literal["rehearsal", "live"] = Field(
        default="rehearsal", description="live: real people are written to"
    )
    providers: ProviderSettings = ProviderSettings()
    accounts: dict[Name, Account] = Field(
        default_factory=dict, description="name: how a provider is used"
    )
    dispatch: DispatchSettings = DispatchSettings()
    sms: SmsSettings = SmsSettings()
    alerts: AlertSettings = AlertSettings()
    links: LinkSettings
    web: WebSettings = WebSettings()
    responses: ResponseSettings = ResponseSettings()
    offers: OfferSettings = OfferSettings()
    salt: Line = Field(description="Keys the hashes that assign arms; never change it")
