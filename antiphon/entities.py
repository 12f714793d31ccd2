"""The facts Antiphon knows: entities of the lake, their columns, types, grain and keys."""

from dataclasses import dataclass
from enum import StrEnum


class ColumnType(StrEnum):
    """Types a column may have; the value is the DuckDB type."""

    TEXT = "VARCHAR"
    INTEGER = "BIGINT"
    NUMBER = "DOUBLE"
    MONEY = "DECIMAL(18,4)"
    BOOLEAN = "BOOLEAN"
    DAY = "DATE"
    INSTANT = "TIMESTAMPTZ"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an entity. `derived` ones are filled in by us and never mapped by a source."""

    name: str
    type: ColumnType
    meaning: str
    required: bool = False
    derived: bool = False


@dataclass(frozen=True, slots=True)
class Entity:
    """One kind of fact. `key` makes a row unique (the latest version wins); `time` orders rows.

    `by_customer`: bucketed by customer_id; otherwise (products) one small file.
    """

    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    time: str | None = None
    by_customer: bool = True

    def column(self, name: str) -> Column | None:
        """The column of that name, if the entity declares it."""
        return next((column for column in self.columns if column.name == name), None)


def _c(
    name: str, type_: ColumnType, meaning: str, *, required: bool = False, derived: bool = False
) -> Column:
    return Column(name, type_, meaning, required, derived)


T = ColumnType

CUSTOMERS = Entity(
    "customers",
    "one row per person",
    ("customer_id",),
    (
        _c("customer_id", T.TEXT, "the company's own id of the person", required=True),
        _c("email", T.TEXT, "e-mail address as the source has it"),
        _c("phone", T.TEXT, "telephone number as the source has it"),
        _c("first_name", T.TEXT, "given name"),
        _c("last_name", T.TEXT, "family name"),
        _c("language", T.TEXT, "language of messages, ISO 639-1 (de, en, ru)"),
        _c("country", T.TEXT, "ISO 3166-1 alpha-2 country; default region of the phone number"),
        _c("region", T.TEXT, "region or state"),
        _c("city", T.TEXT, "town"),
        _c("timezone", T.TEXT, "IANA time zone (Europe/Berlin)"),
        _c("birthday", T.DAY, "date of birth"),
        _c("sex", T.TEXT, "f, m or as the source has it"),
        _c("registered_at", T.INSTANT, "when the person became known"),
        _c("household_id", T.TEXT, "the source's own household id, where it has one"),
        _c("preferred_channel", T.TEXT, "email or sms: how the person wishes to be written to"),
        _c("acquired_from", T.TEXT, "how the person came (shop, web, friend)"),
        _c("updated_at", T.INSTANT, "when the source last changed the row; usual watermark"),
        _c("is_deleted", T.BOOLEAN, "true: the source no longer has this person"),
        _c("email_address", T.TEXT, "normalised address, null where invalid", derived=True),
        _c("email_valid", T.BOOLEAN, "null: no address; false: bad syntax", derived=True),
        _c("email_reason", T.TEXT, "why the address is invalid", derived=True),
        _c("email_key", T.TEXT, "salted hash of the address (keys.address_key)", derived=True),
        _c("phone_e164", T.TEXT, "the number in E.164, null where invalid", derived=True),
        _c("phone_valid", T.BOOLEAN, "null: no number; false: invalid", derived=True),
        _c("phone_reason", T.TEXT, "why the number is invalid", derived=True),
        _c("phone_key", T.TEXT, "salted hash of the number (keys.address_key)", derived=True),
    ),
)

ORDERS = Entity(
    "orders",
    "one row per order",
    ("order_id",),
    (
        _c("order_id", T.TEXT, "the company's own id of the order", required=True),
        _c("customer_id", T.TEXT, "who ordered", required=True),
        _c("ordered_at", T.INSTANT, "when", required=True),
        _c("amount", T.MONEY, "what was paid, returns negative, business currency", required=True),
        _c("category", T.TEXT, "main category, where the source has no order lines"),
        _c("store", T.TEXT, "shop or channel of sale"),
        _c("status", T.TEXT, "the source's own status"),
        _c("discount", T.MONEY, "discount given"),
        _c("promo_code", T.TEXT, "code used"),
        _c("updated_at", T.INSTANT, "when the source last changed the row"),
        _c("is_deleted", T.BOOLEAN, "true: the source no longer has this order"),
    ),
    time="ordered_at",
)

ORDER_LINES = Entity(
    "order_lines",
    "one row per line of an order",
    ("order_id", "line_number"),
    (
        _c("order_id", T.TEXT, "the order this line belongs to", required=True),
        _c("line_number", T.INTEGER, "absent: the ordinal of the row within its order"),
        _c("product_id", T.TEXT, "what was bought", required=True),
        _c("quantity", T.NUMBER, "pieces, returns negative", required=True),
        _c("unit_price", T.MONEY, "price of one piece"),
        _c("amount", T.MONEY, "absent: quantity times unit_price"),
        _c("is_deleted", T.BOOLEAN, "true: the source no longer has this line"),
        _c("customer_id", T.TEXT, "who ordered, taken from the order", derived=True),
        _c("ordered_at", T.INSTANT, "when, taken from the order", derived=True),
    ),
    time="ordered_at",
)

PRODUCTS = Entity(
    "products",
    "one row per product",
    ("product_id",),
    (
        _c("product_id", T.TEXT, "the company's own id of the product", required=True),
        _c("name", T.TEXT, "name as printed in messages"),
        _c("category", T.TEXT, "category"),
        _c("brand", T.TEXT, "brand"),
        _c("price", T.MONEY, "list price"),
        _c("pack_days", T.INTEGER, "days one pack lasts"),
        _c("updated_at", T.INSTANT, "when the source last changed the row"),
        _c("is_deleted", T.BOOLEAN, "true: no longer sold"),
    ),
    by_customer=False,
)

EVENTS = Entity(
    "events",
    "one row per thing a customer did",
    ("event_id",),
    (
        _c("event_id", T.TEXT, "absent: a hash of customer, event, moment, product and value"),
        _c("customer_id", T.TEXT, "who", required=True),
        _c("event", T.TEXT, "what (cart_abandoned, app_installed)", required=True),
        _c("occurred_at", T.INSTANT, "when", required=True),
        _c("product_id", T.TEXT, "with which product"),
        _c("value", T.TEXT, "detail, as the source has it"),
    ),
    time="occurred_at",
)

CONSENTS = Entity(
    "consents",
    "one row per act of consent or objection; the latest act of the person wins",
    ("customer_id", "channel", "category", "acted_at", "source"),
    (
        _c("customer_id", T.TEXT, "who", required=True),
        _c("channel", T.TEXT, "email, sms, or * for every channel", required=True),
        _c("category", T.TEXT, "promo, lifecycle, service, or * for every category", required=True),
        _c("granted", T.BOOLEAN, "true: agreed; false: objected", required=True),
        _c("acted_at", T.INSTANT, "when the person acted; null never overrides an objection"),
        _c("source", T.TEXT, "where it was recorded (shop form, web, import)"),
        _c("confirmed_at", T.INSTANT, "when the person confirmed it (double opt-in); null: not"),
        _c("evidence", T.TEXT, "what proves it: a form's id and text, a recording, an address"),
        _c("separate", T.BOOLEAN, "true: a document of its own, apart from other terms"),
    ),
    time="acted_at",
)

RESPONSES = Entity(
    "responses",
    "one row per thing that came back from a customer",
    ("response_id",),
    (
        _c("response_id", T.TEXT, "absent: a hash of customer, kind, moment, campaign and value"),
        _c("customer_id", T.TEXT, "who", required=True),
        _c(
            "kind",
            T.TEXT,
            "open, click, reply, survey, answer, redemption, conversion, bounce, soft_bounce, "
            "complaint, opt_out, opt_in, or your own word",
            required=True,
        ),
        _c("occurred_at", T.INSTANT, "when", required=True),
        _c("campaign", T.TEXT, "the campaign it answers, where that is known"),
        _c("channel", T.TEXT, "email or sms, where that is known"),
        _c("message_id", T.TEXT, "the message it answers, where that is known"),
        _c("value", T.TEXT, "detail: the score of a survey, the amount of a conversion"),
        _c("is_machine", T.BOOLEAN, "true: a mail program did it by itself, not the person"),
        _c("survey", T.TEXT, "which survey was answered"),
        _c("question", T.TEXT, "which of its questions"),
        _c("touchpoint", T.TEXT, "what was asked about (delivery, shop, service)"),
        _c("product_id", T.TEXT, "about which product"),
    ),
    time="occurred_at",
)

NOTICES = Entity(
    "notices",
    "one row per thing that happened to a product, a shop or a place, and concerns customers",
    ("notice_id",),
    (
        _c("notice_id", T.TEXT, "the company's own id of the notice", required=True),
        _c("notice", T.TEXT, "what (back_in_stock, price_drop, incident)", required=True),
        _c("occurred_at", T.INSTANT, "when", required=True),
        _c("product_id", T.TEXT, "to which product"),
        _c("value", T.TEXT, "which shop, town or region, or a detail such as the new price"),
        _c("is_deleted", T.BOOLEAN, "true: taken back"),
    ),
    by_customer=False,
)

CONTACTS = Entity(
    "contacts",
    "one row per message of the ledger's outbox, control rows included, in its latest state",
    ("message_id",),
    (
        _c("message_id", T.TEXT, "public id of the message", required=True),
        _c("occurrence_key", T.TEXT, "the one time the campaign speaks to the unit", required=True),
        _c("customer_id", T.TEXT, "to whom", required=True),
        _c("unit", T.TEXT, "what was randomised", required=True),
        _c("campaign", T.TEXT, "which campaign", required=True),
        _c("step", T.TEXT, "which step of a chain; '' where there is none", required=True),
        _c("cell", T.TEXT, "micro-segment, '' where there is none", required=True),
        _c("anchor", T.TEXT, "anchor of the occurrence", required=True),
        _c("attempt", T.INTEGER, "1, 2, …", required=True),
        _c("arm", T.TEXT, "variant, 'control' or 'universal_control'", required=True),
        _c("channel", T.TEXT, "email or sms", required=True),
        _c("category", T.TEXT, "policy class of the campaign", required=True),
        _c("state", T.TEXT, "state of the message", required=True),
        _c("contact_at", T.INSTANT, "when it left, or is planned to leave", required=True),
        _c("run_id", T.TEXT, "which run planned it", required=True),
        _c("cost_e4", T.INTEGER, "what it costs, in ten-thousandths of the business currency"),
    ),
    time="contact_at",
)

STATEMENTS = Entity(
    "statements",
    "one row per thing a person told of themselves, on our pages",
    ("customer_id", "name", "stated_at", "source"),
    (
        _c("customer_id", T.TEXT, "who", required=True),
        _c("name", T.TEXT, "what about: language, or a name that a survey gives", required=True),
        _c("value", T.TEXT, "what they said; null: they took it back"),
        _c("stated_at", T.INSTANT, "when", required=True),
        _c("source", T.TEXT, "where: preferences, or the survey", required=True),
    ),
    time="stated_at",
)

CODES = Entity(
    "codes",
    "one row per promo code issued to somebody, in its latest state",
    ("code",),
    (
        _c("code", T.TEXT, "the code", required=True),
        _c("customer_id", T.TEXT, "to whom", required=True),
        _c("campaign", T.TEXT, "by which campaign", required=True),
        _c("occurrence_key", T.TEXT, "with which occurrence", required=True),
        _c("discount", T.TEXT, "what it gives, as printed"),
        _c("gift", T.TEXT, "what it gives, as printed"),
        _c("issued_at", T.INSTANT, "when", required=True),
        _c("valid_until", T.INSTANT, "valid before; null: without end"),
        _c("redeemed_at", T.INSTANT, "when it was used and counted; null: not yet"),
        _c("withdrawn_at", T.INSTANT, "when it was taken back: its message never left"),
    ),
    time="issued_at",
)

ENROLMENTS = Entity(
    "enrolments",
    "one row per time a customer entered a chain, in its latest state",
    ("campaign", "customer_id", "anchor"),
    (
        _c("campaign", T.TEXT, "the campaign whose chain it is", required=True),
        _c("customer_id", T.TEXT, "who", required=True),
        _c("anchor", T.TEXT, "which entry: 1, 2, … or the event's id", required=True),
        _c("entered_at", T.INSTANT, "from when the steps count", required=True),
        _c("reached_seconds", T.INTEGER, "how far it is: steps due later are ahead", required=True),
        _c("reached", T.TEXT, "the last step that was sent or missed; '' for none", required=True),
        _c("missed", T.TEXT, "steps that were not sent and why: `step:reason`, by commas"),
        _c("left_at", T.INSTANT, "when the customer left the chain; null: still in it"),
        _c("left_for", T.TEXT, "why: the exit's name, finished, or removed"),
    ),
    time="entered_at",
)

ENTITIES: dict[str, Entity] = {
    entity.name: entity
    for entity in (
        CUSTOMERS,
        ORDERS,
        ORDER_LINES,
        PRODUCTS,
        EVENTS,
        NOTICES,
        RESPONSES,
        CONSENTS,
        CONTACTS,
        STATEMENTS,
        CODES,
        ENROLMENTS,
    )
}
OWN_ENTITIES = (
    CONTACTS.name,
    STATEMENTS.name,
    CODES.name,
    ENROLMENTS.name,
)  # written by runs; no source brings them
SOURCE_ENTITIES: tuple[str, ...] = tuple(name for name in ENTITIES if name not in OWN_ENTITIES)
