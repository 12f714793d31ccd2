"""Sources, segments, campaigns and expectations, declared once (settings.py and rules.py have the
other files). YAML scalars arrive as text; these types convert them.

All models are frozen and forbid unknown keys. The JSON Schemas and the configuration reference
are generated from here, so a field's description is what the marketer reads in the editor.
"""

from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from antiphon.campaigns.scalars import (
    CellName,
    CodePrefix,
    DateFormat,
    Day,
    Delimiter,
    Duration,
    Encoding,
    EnvironmentName,
    FeatureName,
    Flag,
    Line,
    LongerThanZero,
    Name,
    Number,
    Share,
    Text,
    Version,
    Weekdays,
    Weight,
    Whole,
    Zone,
)

Category = Literal["promo", "lifecycle", "service"]
Channel = Literal["email", "sms"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)
OnFailure = Literal["quarantine", "warn", "stop"]
ColumnTypeName = Literal["text", "integer", "number", "money", "boolean", "day", "instant"]

RESERVED_ARMS = ("control", "universal_control")
LIKED = {"preference": "preferred_channel", "response": "best_channel"}  # channel_by → feature
ONE_DAY = timedelta(days=1)
UNIQUE = "unique"  # as a code: one of one's own
NO_TIME = timedelta(0)


def _arm(name: str) -> str:
    if name in RESERVED_ARMS:
        raise ValueError(f"{name!r} is the name of a control group: call the variant otherwise")
    return name


Arm = Annotated[Name, AfterValidator(_arm)]


class Model(BaseModel):
    """Common rules of all configuration models."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# ---------------------------------------------------------------- config/sources.yaml


class Attribute(Model):
    """A column of the user's own."""

    type: ColumnTypeName = Field(description="Type of the column")
    meaning: Text = Field(default="", description="What it means; shown by `antiphon features`")


class Source(Model):
    """One source of facts: a file (or glob) or a query on a database."""

    entity: Literal[
        "customers",
        "orders",
        "order_lines",
        "products",
        "events",
        "notices",
        "responses",
        "consents",
    ] = Field(description="What its rows are")
    file: Line | None = Field(
        default=None,
        description="CSV (also .gz, .zst) or Parquet, a glob allowed; relative to the project",
    )
    format: Literal["csv", "parquet"] | None = Field(
        default=None, description="Absent: by the file's ending"
    )
    database: EnvironmentName | None = Field(
        default=None,
        description="Environment variable that holds a SQLAlchemy URL; or NAME_FILE, a file",
    )
    query: Line | None = Field(
        default=None,
        description="File in sql/sources/; on a file source it reads the table `source`",
    )
    columns: dict[str, Text] = Field(
        default_factory=dict,
        description="our column: the source's column; those of the same name need no line",
    )
    constants: dict[str, Text] = Field(
        default_factory=dict, description="our column: a value for every row"
    )
    attributes: dict[Name, Attribute] = Field(
        default_factory=dict, description="The user's own columns, with their types"
    )
    encoding: Encoding = Field(default="utf-8", description="Encoding of a CSV file")
    delimiter: Delimiter = Field(default=",", description="Delimiter of a CSV file")
    decimal: Literal[".", ","] = Field(default=".", description="Decimal mark of a CSV file")
    date_format: DateFormat | None = Field(
        default=None, description="strptime format of dates, where they are not ISO 8601"
    )
    timezone: Zone | None = Field(
        default=None, description="Zone of instants without one; absent: the business time zone"
    )
    watermark: Line | None = Field(
        default=None, description="Our column that grows with every change; absent: whole source"
    )
    overlap: Duration = Field(default=ONE_DAY, description="How far back each pull reads again")
    full: Flag = Field(
        default=False,
        description="The source is always complete: rows missing from it were deleted",
    )
    optional: Flag = Field(default=False, description="A missing file is no error")


class Sources(Model):
    """config/sources.yaml: where the facts come from."""

    version: Version = Field(description="Version of this file's format")
    sources: dict[Name, Source] = Field(description="name: where the facts come from")


# ---------------------------------------------------------------- config/segments.yaml


class Segment(Model):
    """A named condition."""

    where: Text = Field(description="SQL boolean expression over features")
    title: Text = Field(default="", description="What the marketer calls it")


class Score(Model):
    """Equal parts of the customers by one feature: 1 is the lowest, the last the best.

    Customers of equal value are told apart by a stable hash, so that the parts are equal.
    """

    of: FeatureName = Field(description="A feature that is a number, an amount or a day")
    where: Text | None = Field(
        default=None, description="Who is scored; others have no score. Absent: who has a value"
    )
    parts: Whole = Field(default=5, ge=2, le=100, description="So many parts: 5 are quintiles")
    best: Literal["high", "low"] = Field(default="high", description="Which values are good")
    title: Text = Field(default="", description="What the marketer calls it")


class Band(Model):
    """Values from `from` (included) to `below` (excluded); without one of them, open there."""

    from_: Number | None = Field(default=None, alias="from", description="The least value")
    below: Number | None = Field(default=None, description="Every value is less")


class Dimension(Model):
    """Divides all customers: each falls under exactly one name.

    By `bands` or `values` of one feature (`of`), or by `cases`: the first condition that holds.
    """

    title: Text = Field(default="", description="What the marketer calls it")
    of: FeatureName | None = Field(
        default=None, description="The feature that bands or values divide"
    )
    bands: dict[CellName, Band] | None = Field(
        default=None, description="name: values of a number or an amount, without gap or overlap"
    )
    values: dict[CellName, tuple[Line, ...]] | None = Field(
        default=None, description="name: values of a text"
    )
    cases: dict[CellName, Text] | None = Field(
        default=None, description="name: condition; of several that hold, the first counts"
    )
    rest: CellName | None = Field(
        default=None, description="Name of all others, those without a value too"
    )

    @property
    def names(self) -> tuple[str, ...]:
        """Every name a customer may fall under, in the order of the file, the rest last."""
        declared = [*(self.bands or self.values or self.cases or ())]
        return tuple(dict.fromkeys([*declared, *([self.rest] if self.rest else [])]))


class Cross(Model):
    """Micro-segments: every combination of the dimensions' names is a cell."""

    title: Text = Field(default="", description="What the marketer calls it")
    dimensions: tuple[FeatureName, ...] = Field(
        min_length=1, description="Their order is the cell's id"
    )
    min_size: Whole = Field(
        default=0, ge=0, description="Smaller cells are joined along `roll_up`; 0: none is"
    )
    roll_up: tuple[FeatureName, ...] = Field(
        default=(), description="Dimensions to give up (written *), the first one first"
    )


class GroupRate(Model):
    """How often the people of a group do what is counted: a number from 0 to 1.

    Small groups are drawn towards the rate of the groups that they are part of (docs/segments.md).
    """

    part: FeatureName = Field(description="A count of each customer: messages clicked")
    of: FeatureName = Field(description="Out of so many: messages received")
    by: FeatureName = Field(description="The dimension or cross whose groups are told apart")
    title: Text = Field(default="", description="What the marketer calls it")


class Segments(Model):
    """config/segments.yaml: conditions that have a name, and what divides the customers."""

    version: Version = Field(description="Version of this file's format")
    segments: dict[Name, Segment] = Field(description="name: the condition")
    scores: dict[FeatureName, Score] = Field(
        default_factory=dict, description="name: a feature of its own, such as RFM quintiles"
    )
    dimensions: dict[FeatureName, Dimension] = Field(
        default_factory=dict, description="name: a feature of its own, such as the lifecycle"
    )
    crosses: dict[FeatureName, Cross] = Field(
        default_factory=dict, description="name: micro-segments, the cells of some dimensions"
    )
    rates: dict[FeatureName, GroupRate] = Field(
        default_factory=dict, description="name: how often a customer's group answers"
    )
    drift_over: Number = Field(
        default=Decimal("0.25"),
        ge=0,
        description="Population stability index of a dimension from which a run warns",
    )


# ---------------------------------------------------------------- config/campaigns/*.yaml


class Period(Model):
    """When a campaign runs (business days, both ends included)."""

    from_: Day = Field(alias="from", description="First day")
    until: Day | None = Field(default=None, description="Last day; absent: without end")
    days: Weekdays = Field(
        default=frozenset(range(7)), description="weekdays, weekends, daily, or mon, tue, …"
    )

    def includes(self, day: date) -> bool:
        """Whether the campaign runs on that business day."""
        return (
            self.from_ <= day
            and (self.until is None or day <= self.until)
            and day.weekday() in self.days
        )


class Audience(Model):
    """Who is meant: a segment, a condition, or both."""

    segment: Name | None = Field(default=None, description="Name of a segment")
    where: Text | None = Field(default=None, description="SQL boolean expression over features")


class Anniversary(Model):
    """A day of the customer's own, or of everybody: every year, or when it is due."""

    of: Line = Field(
        description="birthday, first_order, registration (every year); a feature that is a day "
        "(once for each such day); or a feast of every year as month and day: 12-24"
    )
    before: Duration = Field(default=NO_TIME, description="So many days before it")
    after: Duration = Field(default=NO_TIME, description="So many days after it")
    grace: Duration = Field(
        default=NO_TIME,
        description="On days without a run it goes out up to so many days late; absent: not at all",
    )

    @property
    def offset_days(self) -> int:
        """Days from the anniversary to the message; negative: before it."""
        return (self.after - self.before).days


class Trigger(Model):
    """Something that happened: the campaign speaks once for each time it did."""

    event: Line | None = Field(
        default=None, description="Name of an event, or order: to the customer who did it"
    )
    notice: Line | None = Field(
        default=None, description="Name of a notice: to the customers whom it concerns"
    )
    did: Line | None = Field(
        default=None,
        description="A notice concerns those who did this event with its product",
    )
    same: FeatureName | None = Field(
        default=None, description="A notice concerns those whose column equals its value"
    )
    within: LongerThanZero = Field(
        default=timedelta(days=90), description="How long ago they may have done it (`did`)"
    )
    after: Duration = Field(default=NO_TIME, description="So long after it happened")
    grace: LongerThanZero = Field(
        default=ONE_DAY, description="Up to so much later, where no run came before"
    )


class ChainStart(Model):
    """Who enters a chain: when the condition becomes true, or when the event happens."""

    where: Text | None = Field(default=None, description="SQL boolean expression over features")
    segment: Name | None = Field(default=None, description="Name of a segment")
    event: Line | None = Field(default=None, description="Name of an event, or order")
    since: Duration = Field(
        default=ONE_DAY, description="An event may lie so far back when a run first sees it"
    )


class ChainStep(Model):
    """One message of a chain."""

    step: Name = Field(description="Its name; part of what makes a message unique")
    after: Duration = Field(description="So long after the customer entered")
    message: Name = Field(description="Folder in templates/")
    channels: tuple[Channel, ...] | None = Field(
        default=None, description="Absent: those of the campaign"
    )
    where: Text | None = Field(default=None, description="Only to those for whom this holds")
    grace: Duration | None = Field(
        default=None, description="Up to so much later; then it is missed. Absent: the chain's"
    )


class Chain(Model):
    """Several messages in order, to each customer at their own time."""

    start: ChainStart = Field(description="Who enters")
    steps: tuple[ChainStep, ...] = Field(min_length=1, description="In the order of `after`")
    exits: dict[Name, Text] = Field(
        default_factory=dict, description="reason: condition under which a customer leaves"
    )
    grace: Duration = Field(default=ONE_DAY, description="How late a step may be sent")
    enter_again: LongerThanZero | None = Field(
        default=None, description="So long after leaving; absent: once ever"
    )


class Limits(Model):
    """Limits of one campaign; control rows count as messages."""

    messages_per_day: Whole | None = Field(
        default=None, ge=0, description="Absent: without limit; 0: the campaign is paused"
    )
    messages: Whole | None = Field(
        default=None, ge=0, description="In all days together; absent: without limit"
    )
    at_least_per_day: Whole = Field(
        default=0, ge=0, description="A run warns when it wrote fewer on a day"
    )
    money_per_day: Number | None = Field(
        default=None, ge=0, description="By the policy's costs; absent: without limit"
    )
    cut: Literal["chance", "value"] = Field(
        default="chance",
        description="Who stays when a limit cuts: a stable order by chance, or by value",
    )


class LayerGroup(Model):
    """A group of a layer in config/policy.yaml, `tests`."""

    layer: Name = Field(description="Name of the layer")
    group: Name = Field(description="Name of the group: only its units are asked")


class Goal(Model):
    """What counts as a conversion."""

    event: Line = Field(
        description="order; code (its code was redeemed); survey (it was answered); or the name "
        "of an event"
    )
    category: Line | None = Field(
        default=None, description="Of orders: only what was bought of this product category"
    )
    within: LongerThanZero = Field(description="So long after the message")

    @model_validator(mode="after")
    def _is_of_orders(self) -> Self:
        if self.category is not None and self.event != "order":
            raise ValueError("'category' is of orders: write event: order")
        return self


class OfferBudget(Model):
    """How much may be promised; beyond it nobody else gets the campaign's message."""

    codes: Whole | None = Field(
        default=None, ge=1, description="Codes that may be out, those withdrawn unsent not counted"
    )
    money: Number | None = Field(
        default=None,
        gt=0,
        description="Discount given by codes redeemed; once it is reached no more are issued",
    )


class Offer(Model):
    """What is promised; `offer` in templates."""

    code: Line = Field(
        default="",
        description="unique: a code of one's own with each message; else the code everybody gets",
    )
    prefix: CodePrefix | None = Field(
        default=None, description="What every unique code begins with: WB"
    )
    discount: Line | None = Field(default=None, description="As printed: 10%, 5 EUR")
    gift: Line | None = Field(default=None, description="As printed: a hand cream")
    valid: LongerThanZero | None = Field(default=None, description="So long after the message")
    budget: OfferBudget | None = Field(default=None, description="Absent: without limit")
    reminds: Name | None = Field(
        default=None,
        description="A campaign with unique codes: instead of an own code the customer's open one "
        "of that campaign, with its discount, gift and last day",
    )

    @property
    def is_unique(self) -> bool:
        """Whether each occurrence gets a code of its own."""
        return self.code == UNIQUE

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if bool(self.code) == (self.reminds is not None):
            raise ValueError("write 'code', or 'reminds' to repeat the codes of another campaign")
        if self.reminds is not None and (self.discount or self.gift or self.valid or self.budget):
            raise ValueError(
                "with 'reminds' the discount, gift and validity are those of the other campaign"
            )
        if self.prefix is not None and not self.is_unique:
            raise ValueError("'prefix' is of unique codes: write code: unique")
        return self


class Campaign(Model):
    """config/campaigns/*.yaml: one campaign, one file."""

    campaign: Name = Field(description="Unique name, the same as the file's")
    title: Line = Field(description="What people call it; shown in reports")
    category: Category = Field(description="Policy class: which consent and which caps apply")
    priority: Whole = Field(ge=0, le=1000, description="The higher wins a customer's day")
    value: Text | None = Field(
        default=None,
        description="Expression over features (expected margin): of equal priorities the higher "
        "wins; absent or null: below all",
    )
    runs: Period
    audience: Audience | None = Field(
        default=None, description="Who is meant; with `on` or `anniversary`: who else is not"
    )
    anniversary: Anniversary | None = Field(
        default=None, description="Speaks on days of the customer's own"
    )
    on: Trigger | None = Field(default=None, description="Speaks when something happened")
    chain: Chain | None = Field(default=None, description="Speaks several times, in order")
    for_each: FeatureName | None = Field(
        default=None, description="A cross: one campaign for each of its cells"
    )
    by: dict[FeatureName, dict[CellName, dict[FeatureName, Line]]] = Field(
        default_factory=dict,
        description="dimension: name: values of your own, "
        "`cell.…` in conditions, templates, offers",
    )
    repeat_after: LongerThanZero | None = Field(
        default=None,
        description="Absent: once ever; with `on` or `anniversary`: once for each occasion",
    )
    channels: tuple[Channel, ...] = Field(
        min_length=1, description="The first by which this customer may be reached"
    )
    channel_by: Literal["order", "preference", "response"] = Field(
        default="order",
        description="Which of `channels` is tried first: as listed, the customer's "
        "`preferred_channel`, or their `best_channel` (the best answered)",
    )
    message: Name | None = Field(
        default=None, description="Folder in templates/; a chain names one in each step"
    )
    variants: dict[Arm, Weight] = Field(
        default_factory=dict, description="Variant and its weight; absent: one variant, `default`"
    )
    control: Share = Field(default=0.0, description="Share of would-be messages held out")
    strata: FeatureName | None = Field(
        default=None,
        description="A dimension: control and variants are drawn in exact shares within each of "
        "its names",
    )
    test: LayerGroup | None = Field(
        default=None, description="Only units of this group; absent: everybody"
    )
    offer: Offer | None = Field(default=None, description="Absent: nothing is promised")
    goal: Goal | None = Field(default=None, description="Absent: no conversion is counted")
    survey: Name | None = Field(
        default=None, description="A file in config/surveys/: `links.survey` leads to it"
    )
    confirms: Category | None = Field(
        default=None,
        description="Category whose consent the message asks to confirm (double opt-in): "
        "`links.confirm`",
    )
    limits: Limits = Limits()
    expires_after: LongerThanZero = Field(
        default=ONE_DAY, description="A message not sent by then is not sent"
    )
    tags: tuple[Name, ...] = Field(default=(), description="Words to group campaigns by")

    @property
    def promise(self) -> str | None:
        """What tells its offer from others: the shared code, or a campaign for unique ones."""
        if self.offer is None:
            return None
        return self.offer.reminds or (self.campaign if self.offer.is_unique else self.offer.code)

    @property
    def arms(self) -> dict[str, float]:
        """Variant → share of the treated, summing to one; one `default` where none is declared."""
        total = float(sum(self.variants.values()))
        if not self.variants:
            return {"default": 1.0}
        return {name: float(weight) / total for name, weight in self.variants.items()}


# ---------------------------------------------------------------- config/expectations/*.yaml


class Expectation(Model):
    """One rule on an entity, by its Great Expectations name.

    Other keys (column, min_value, value_set, …) are the expectation's own arguments.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    expect: Text = Field(description="Name of the Great Expectations expectation")
    on_failure: OnFailure = Field(
        description="quarantine: take the rows out; warn: report; stop: publish nothing"
    )
    reason: Text = Field(default="", description="What to call it in quarantine and reports")


class Expectations(Model):
    """config/expectations/*.yaml: what must hold of an entity, whose name is the file's."""

    version: Version = Field(description="Version of this file's format")
    expectations: tuple[Expectation, ...] = Field(description="The rules, in any order")
