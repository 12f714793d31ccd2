"""From decisions to messages: personal values, addresses, and who lacks a value that is printed."""

# ruff: noqa: S608  (names are our columns, values come from checked configuration)

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from antiphon import keys
from antiphon.audience.calls import open_codes_sql
from antiphon.audience.cell_values import cell_texts
from antiphon.audience.expressions import RELATION
from antiphon.audience.frame import PERSONAL
from antiphon.campaigns.configuration import Configuration
from antiphon.campaigns.models import Offer
from antiphon.campaigns.touches import Touch
from antiphon.lake import Session
from antiphon.ledger import Ledger
from antiphon.message.codes import written_sql
from antiphon.message.content import Sms
from antiphon.message.links import LinkSigner
from antiphon.message.packing import Values
from antiphon.message.sms import segments
from antiphon.message.templates import MessageHeld, TemplateFault, Templates
from antiphon.message.values import unpack
from antiphon.policy.moment import Moment
from antiphon.policy.settling.budgets import price_e4
from antiphon.project import Project
from antiphon.quoting import literal, quoted
from antiphon.steps.frames import Frames

RISKY_ROWS = 20_000  # of one campaign; beyond, the dispatcher holds what cannot be printed
ADDRESSES = {"email": "email_address", "sms": "phone_e164"}
PROOFS = 3  # of each kind
NO_PROMISES = "SELECT '' AS customer_id, '' AS campaign, NULL AS promise WHERE false"
NO_OCCASIONS = (
    "(SELECT 0 AS touch, '' AS customer_id, '' AS anchor, NULL::TIMESTAMPTZ AS due_at, "
    "NULL::VARCHAR AS product_id, NULL::VARCHAR AS value WHERE false)"
)


def templates_of(project: Project) -> Templates:
    """The project's templates with its company and features."""
    configuration = project.configuration
    features = {name: feature.type for name, feature in configuration.features.items()}
    files = configuration.files.under("templates")
    crosses = {name: one.dimensions for name, one in configuration.definitions.crosses.items()}
    return Templates.of(files, features, configuration.settings, crosses)


def used_by(
    templates: Templates,
    touch: Touch,
    root: str = "customer",
    channels: Sequence[str] | None = None,
) -> frozenset[str]:
    """The values of a root that any variant, language or channel (of these) of a touch uses."""
    return frozenset().union(
        *(
            templates.needed(touch.message, arm, language, channel, root)
            for arm in touch.campaign.arms
            for language in templates.tree.languages
            for channel in (touch.channels if channels is None else channels)
        )
    )


def survey_values(configuration: Configuration, touch: Touch) -> frozenset[str]:
    """The customers' values that its survey asks about, whatever its templates use."""
    survey = configuration.surveys.get(touch.campaign.survey or "")
    return frozenset([survey.product] if survey and survey.product else [])


def cells_of(configuration: Configuration, touch: Touch) -> dict[str, str]:
    """What `cell` says in a touch's templates: name → SQL over the frame; empty without a cross."""
    crossing = configuration.definitions.crosses.get(touch.campaign.for_each or "")
    return cell_texts(touch.campaign, crossing) if crossing else {}


def reminded_by(configuration: Configuration, touch: Touch) -> Offer | None:
    """The offer whose codes a touch repeats; None where it makes its own, or none."""
    offer = touch.campaign.offer
    reminded = configuration.campaigns.get(offer.reminds or "") if offer else None
    return reminded.offer if reminded else None


def promises_sql(as_of: str, zone: str) -> str:
    """customer_id, campaign and the struct `promise` of templates: the open code issued last."""
    last_day = f"(timezone({literal(zone)}, valid_until) - INTERVAL 1 MICROSECOND)::DATE::VARCHAR"
    promise = (
        f"struct_pack(code := {written_sql('code')}, discount := discount, gift := gift, "
        f"valid_until := {last_day})"
    )
    return (
        f"SELECT customer_id, campaign, arg_max({promise}, {{issued: issued_at, code: code}}) "
        f"AS promise FROM ({open_codes_sql(as_of)}) GROUP BY ALL"
    )


def occasions_sql(paths: Collection[Path]) -> str:
    """A relation with the occasions in these files, or with none."""
    files = ", ".join(literal(str(path)) for path in paths)
    return f"read_parquet([{files}])" if files else NO_OCCASIONS


def occasion_sql(zone: str, after: str) -> str:
    """The struct `occasion` of templates, of an occasion `o` with its product `product`.

    It is due so many seconds `after` what it starts from.
    """
    began = f"timezone({literal(zone)}, o.due_at) - to_seconds({after})"
    return (
        f"struct_pack(day := ({began})::DATE, product_id := o.product_id, "
        "product_name := product.name, value := o.value)"
    )


def signer_of(project: Project) -> LinkSigner:
    """Signs links with the project's keys, the newest last."""
    numbered = {f"k{place}": key for place, key in enumerate(project.link_keys, start=1)}
    return LinkSigner(numbered, project.configuration.settings.links.base_url)


@dataclass(frozen=True)
class Composer:
    """Composes the messages of a day within a session that holds the table `chosen`."""

    project: Project
    moment: Moment
    session: Session

    @cached_property
    def templates(self) -> Templates:
        """Compiled once for all campaigns."""
        return templates_of(self.project)

    @cached_property
    def signer(self) -> LinkSigner:
        """For the links of those rendered here."""
        return signer_of(self.project)

    def choose(
        self,
        settled: pa.Table,
        frames: Frames,
        touches: Sequence[Touch],
        occasions: Collection[Path] = (),
    ) -> None:
        """Make `chosen`, once: survivors (DECISIONS), with the values templates use: the customer's
        in the struct `frame`, those of the occasion in `occasion`."""
        cells = {name for touch in touches for name in self._cell_columns(touch)}
        names = {*ADDRESSES.values(), "language", *cells}.union(*map(self.needed, touches))
        values = ", ".join(
            f"{quoted(name)} := {'c' if name in PERSONAL else RELATION}.{quoted(name)}"
            for name in sorted(names)
        )
        places = [
            {
                "touch": place,
                "campaign": t.name,
                "step": t.step,
                "after": t.after.total_seconds(),
                "reminds": t.campaign.offer.reminds if t.campaign.offer else None,
            }
            for place, t in enumerate(touches)
        ]
        as_of = f"TIMESTAMPTZ '{self.moment.as_of.isoformat()}'"
        is_reminding = any(place["reminds"] for place in places)
        promises = promises_sql(as_of, self.moment.zone) if is_reminding else NO_PROMISES
        self.session.register("settled", settled)
        self.session.register("places", pa.Table.from_pylist(places, schema=_PLACES))
        self.session.execute(f"""
            CREATE OR REPLACE TEMP TABLE chosen AS
            SELECT s.*, struct_pack({values}) AS frame, {self._price_sql} AS cost_e4,
                {occasion_sql(self.moment.zone, "places.after")} AS occasion, promises.promise
            FROM settled s
            JOIN places USING (campaign, step)
            JOIN {frames.relation()} AS {RELATION} ON {RELATION}.customer_id = s.customer_id
            JOIN customers c ON c.customer_id = s.customer_id
            LEFT JOIN {occasions_sql(occasions)} o
                ON o.touch = places.touch AND o.customer_id = s.customer_id AND o.anchor = s.anchor
            LEFT JOIN products product ON product.product_id = o.product_id
            LEFT JOIN ({promises}) promises
                ON promises.campaign = places.reminds AND promises.customer_id = s.customer_id
            WHERE s.outcome <> 'held'
        """)

    def needed(self, touch: Touch) -> frozenset[str]:
        """The customers' values that any variant, language or channel of a touch uses."""
        return used_by(self.templates, touch) | survey_values(self.project.configuration, touch)

    def _cell_columns(self, touch: Touch) -> tuple[str, ...]:
        """The columns of the frame from which a touch's `cell` is made."""
        cross = touch.campaign.for_each
        crosses = self.project.configuration.definitions.crosses
        return (cross, *crosses[cross].dimensions) if cross in crosses else ()

    def missing(self, touch: Touch) -> dict[str, str]:
        """Customer → the variable without a value, of those whose message cannot be printed.

        Only messages that lack a value their templates use are tried, at most RISKY_ROWS.
        """
        features = self.project.configuration.features
        printed = used_by(self.templates, touch)
        nullable = [f"frame.{quoted(n)}" for n in printed if features[n].nullable]
        nullable += [f"occasion.{name}" for name in used_by(self.templates, touch, "occasion")]
        if reminded_by(self.project.configuration, touch):
            nullable += [f"promise.{name}" for name in used_by(self.templates, touch, "offer")]
        if not nullable:
            return {}
        lacking = " OR ".join(f"{name} IS NULL" for name in nullable)
        rows = self.session.rows(
            f"{self._messages_sql(touch)} AND outcome = 'send' AND ({lacking}) "
            f"ORDER BY customer_id LIMIT {RISKY_ROWS}"
        )
        names = list(self._columns(touch))
        held = {}
        for row in rows:
            message = dict(zip(names, row, strict=True))
            try:
                self.templates.render(
                    touch.message,
                    message["arm"],
                    message["language"],
                    message["channel"],
                    unpack(message["values_json"]),
                    self.signer.links(message["message_id"]),
                )
            except MessageHeld as error:
                held[message["customer_id"]] = error.variable
            except TemplateFault:
                continue  # the proof of the render step says so for the whole campaign
        return held

    def price(self, touch: Touch) -> None:
        """Set what each SMS in `chosen` costs, by the segments of its text; until then it is one.

        A text depends on the values its templates use: equal ones are rendered once. Links are all
        of one length, of characters that every alphabet has.
        """
        one = price_e4(self.project.configuration.policy.costs, "sms")
        if not one or "sms" not in touch.channels:
            return
        columns = dict(self._columns(touch, ("sms",)))
        names = ("customer_id", "arm", "language", "message_id", "values_json")
        listed = ", ".join(f"{columns[name]} AS {name}" for name in names)
        self.session.execute(f"""
            CREATE OR REPLACE TEMP TABLE texts AS SELECT {listed} FROM chosen
            WHERE {_is(touch)} AND channel = 'sms' AND outcome = 'send'
        """)
        texts = self.session.arrow(
            "SELECT arm, language, values_json, min(message_id) AS message_id "
            "FROM texts GROUP BY ALL"
        )
        counts = pa.array([self._segments(touch, row) for row in _rows(texts)], pa.int32())
        self.session.register("counted", texts.append_column("segments", counts))
        self.session.execute(f"""
            UPDATE chosen SET cost_e4 = {one} * t.segments FROM (
                SELECT texts.customer_id, counted.segments
                FROM texts JOIN counted USING (arm, language, values_json)
                WHERE counted.segments > 1
            ) t WHERE {_is(touch)} AND channel = 'sms' AND chosen.customer_id = t.customer_id
        """)

    def _segments(self, touch: Touch, row: Mapping[str, str]) -> int:
        """Of one text; what cannot be rendered will not be sent, or is another step's to tell."""
        values, links = unpack(row["values_json"]), self.signer.links(row["message_id"])
        try:
            content = self.templates.render(
                touch.message, row["arm"], row["language"], "sms", values, links
            )
        except (MessageHeld, TemplateFault):
            return 1
        assert isinstance(content, Sms)
        return segments(content.text)

    @property
    def _price_sql(self) -> str:
        """What one e-mail, or one segment, costs by a survivor's channel."""
        costs = self.project.configuration.policy.costs
        prices = " ".join(f"WHEN '{one}' THEN {price_e4(costs, one)}" for one in ADDRESSES)
        return f"(CASE s.channel {prices} END)::BIGINT"

    def messages(self, touch: Touch) -> pa.Table:
        """Rows for the outbox (ledger.planning.PLAN_SCHEMA), control rows included."""
        return self.session.arrow(self._messages_sql(touch))

    def proofs(self, touch: Touch) -> list[str]:
        """Messages to render before release: of each variant, language and channel those with the
        longest, emptiest and oddest (least ASCII) values."""
        rows = self.session.rows(f"""
            WITH m AS ({self._messages_sql(touch)} AND outcome = 'send'),
            ranked AS (
                SELECT message_id,
                    row_number() OVER (kind ORDER BY length(values_json) DESC, message_id) AS long,
                    row_number() OVER (kind ORDER BY length(values_json), message_id) AS short,
                    row_number() OVER (
                        kind ORDER BY strlen(values_json) - length(values_json) DESC, message_id
                    ) AS odd
                FROM m WINDOW kind AS (PARTITION BY arm, language, channel)
            )
            SELECT message_id FROM ranked WHERE least(long, short, odd) <= {PROOFS} ORDER BY 1
        """)
        return [message_id for (message_id,) in rows]

    def _messages_sql(self, touch: Touch) -> str:
        columns = ", ".join(f"{sql} AS {name}" for name, sql in self._columns(touch).items())
        return f"SELECT {columns} FROM chosen WHERE {_is(touch)}"

    def _columns(self, touch: Touch, channels: Sequence[str] | None = None) -> Mapping[str, str]:
        """Columns of a message; with `channels`, `values_json` holds only what these use."""
        configuration = self.project.configuration
        types = {name: feature.type for name, feature in configuration.features.items()}
        salt = literal(configuration.settings.salt)
        values = Values(
            touch,
            self.moment.business_day,
            used_by(self.templates, touch, "customer", channels)
            | survey_values(configuration, touch),
            used_by(self.templates, touch, "occasion", channels),
            cells_of(configuration, touch),
            reminded_by(configuration, touch),
        ).packed_sql(types)
        as_of = f"TIMESTAMPTZ '{self.moment.as_of.isoformat()}'"
        seconds = int(touch.campaign.expires_after.total_seconds())
        plain = ("campaign", "step", "cell", "customer_id", "unit", "anchor", "arm", "channel")
        addresses = " ".join(f"WHEN '{key}' THEN frame.{name}" for key, name in ADDRESSES.items())
        return {
            "message_id": keys.digest_sql("message", salt, "occurrence_key", "attempt::VARCHAR"),
            "occurrence_key": "occurrence_key",
            "attempt": "attempt::BIGINT",
            **{name: f"chosen.{name}::VARCHAR" for name in plain},
            "category": literal(touch.campaign.category),
            "values_json": f"CASE outcome WHEN 'send' THEN {values} ELSE '{{}}' END",
            "state": "CASE outcome WHEN 'send' THEN 'planned' ELSE 'control' END",
            "not_before": "planned_at",
            "expires_at": f"least({as_of} + to_seconds({seconds}), leaves_before)",
            "planned_at": "planned_at",
            "cost_e4": "CASE outcome WHEN 'send' THEN cost_e4 ELSE 0 END",
            "address": f"CASE WHEN outcome = 'send' THEN CASE channel {addresses} END END",
            "template_hash": literal(self.templates.template_hash(touch.message)),
            "language": self._language,
        }

    @cached_property
    def _language(self) -> str:
        found = self.session.rows(
            "SELECT DISTINCT frame.language FROM chosen WHERE frame.language IS NOT NULL"
        )
        tree = self.templates.tree
        known = " ".join(
            "WHEN '{}' THEN '{}'".format(name.replace("'", "''"), tree.language(name))
            for (name,) in found
        )
        fallback = tree.languages[0]
        return f"CASE frame.language {known} ELSE '{fallback}' END" if known else f"'{fallback}'"


def _is(touch: Touch) -> str:
    """Whether a row of `chosen` is of the touch."""
    return f"campaign = {literal(touch.name)} AND step = {literal(touch.step)}"


def _rows(table: pa.Table) -> Iterator[Mapping[str, str]]:
    for batch in table.to_batches(max_chunksize=10_000):
        yield from batch.to_pylist()


def keep_templates(ledger: Ledger, templates: Templates, touches: Sequence[Touch]) -> None:
    """Keep every message's templates by content, so that a message can be read for ever."""
    for message in sorted({touch.message for touch in touches}):
        ledger.contents.put(templates.bundle(message))


_PLACES = pa.schema(
    {
        "touch": pa.int32(),
        "campaign": pa.string(),
        "step": pa.string(),
        "after": pa.float64(),
        "reminds": pa.string(),
    }
)
