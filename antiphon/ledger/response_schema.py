"""Tables of what comes back: signed requests as they came, responses, codes, what people said.

Amounts are ten-thousandths of the business currency. `revision`: see schema.py; the lake pulls by
it what it has not seen.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Index,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from antiphon.ledger.schema import Identity, Instant, metadata

UNPARSED = text("parsed_at IS NULL")
UNMATCHED = text("message_id IS NULL AND address_key IS NOT NULL")
OF_OCCURRENCE = text("occurrence_key IS NOT NULL")

inbox = Table(  # one row per signed request, kept as it came before anybody reads it
    "inbox",
    metadata,
    Column("inbox_id", Identity, primary_key=True, autoincrement=True),
    Column("source", Text, nullable=False),  # a key of response.sources.SOURCES
    Column("received_at", Instant, nullable=False),
    Column("query", Text, nullable=False, server_default=""),  # of the address it came to
    Column("body", LargeBinary, nullable=False),
    Column("parsed_at", Instant),
    Column("problem", Text, nullable=False, server_default=""),  # why it could not be read
    sqlite_autoincrement=True,
)
Index("ix_inbox_unparsed", inbox.c.inbox_id, sqlite_where=UNPARSED, postgresql_where=UNPARSED)
Index("ix_inbox_received_at", inbox.c.received_at)

responses = Table(
    "responses",
    metadata,
    Column("response_id", Text, primary_key=True),  # a hash of provider and its event's id
    Column("kind", Text, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("message_id", Text),
    Column("customer_id", Text),
    Column("campaign", Text),
    Column("channel", Text),
    Column("address_key", Text),  # keys.address_key, never the address
    Column("provider", Text, nullable=False),  # sendgrid, twilio, web, till, file
    Column("provider_id", Text),
    Column("is_machine", Boolean, nullable=False),  # a program did it, not a person
    Column("value", Text),
    Column("survey", Text),
    Column("question", Text),
    Column("touchpoint", Text),
    Column("product_id", Text),
    Column("evidence", Text),  # JSON, nothing personal
    Column("revision", BigInteger, nullable=False),
)
Index("ix_responses_revision", responses.c.revision)
Index("ix_responses_message_id", responses.c.message_id)
Index("ix_responses_customer_id", responses.c.customer_id)
Index(
    "ix_responses_unmatched",
    responses.c.address_key,
    sqlite_where=UNMATCHED,
    postgresql_where=UNMATCHED,
)

tallies = Table(  # what is only counted: refused signatures, repeated events, kinds nobody knows
    "tallies",
    metadata,
    Column("day", Date, primary_key=True),  # of UTC
    Column("name", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

statements = Table(  # what a person told of themselves: an interest, a language, a reason
    "statements",
    metadata,
    Column("statement_id", Identity, primary_key=True, autoincrement=True),
    Column("customer_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("value", Text),  # null: taken back
    Column("stated_at", Instant, nullable=False),
    Column("source", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    UniqueConstraint("customer_id", "name", "stated_at", "source"),
)
Index("ix_statements_revision", statements.c.revision)

codes = Table(
    "codes",
    metadata,
    Column("code", Text, primary_key=True),  # as keys.code_key writes it
    Column("campaign", Text, nullable=False),
    Column("occurrence_key", Text),  # null: shared by everybody
    Column("customer_id", Text),  # null: shared
    Column("discount", Text),
    Column("gift", Text),
    Column("issued_at", Instant, nullable=False),
    Column("valid_until", Instant),
    Column("withdrawn_at", Instant),  # its message never left
    Column("revision", BigInteger, nullable=False),
)
Index("ix_codes_revision", codes.c.revision)
Index("ix_codes_customer_id", codes.c.customer_id)
Index(
    "ix_codes_occurrence",
    codes.c.occurrence_key,
    unique=True,
    sqlite_where=OF_OCCURRENCE,
    postgresql_where=OF_OCCURRENCE,
)

redemptions = Table(
    "redemptions",
    metadata,
    Column("redemption_id", Text, primary_key=True),  # a hash of code and order, or of the telling
    Column("code", Text, nullable=False),
    Column("campaign", Text),  # null: nobody knows the code
    Column("occurrence_key", Text),
    Column("customer_id", Text),  # who redeemed, where that is known
    Column("order_id", Text),
    Column("amount_e4", BigInteger),  # what the discount cost
    Column("redeemed_at", Instant, nullable=False),
    Column("verdict", Text, nullable=False),  # a value of states.RedemptionVerdict
    Column("source", Text, nullable=False),  # order, file, till
    Column("revision", BigInteger, nullable=False),
)
Index("ix_redemptions_revision", redemptions.c.revision)
Index("ix_redemptions_code", redemptions.c.code)

tombstones = Table(  # salted hashes of forgotten people: later pulls leave them out
    "tombstones",
    metadata,
    Column("key_hash", Text, primary_key=True),
    Column("kind", Text, nullable=False),  # customer, email, sms
    Column("forgotten_at", Instant, nullable=False),
)
