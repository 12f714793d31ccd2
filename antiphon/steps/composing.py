"""From decisions to messages: personal values, addresses, and who lacks a value that is printed."""

# ruff: noqa: S608  (names are our columns, values come from checked configuration)

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from antiphon import keys
from antiphon.audience.frame import PERSONAL
from antiphon.campaigns.models import Campaign
from antiphon.lake import Session
from antiphon.ledger import Ledger
from antiphon.message.links import LinkSigner
from antiphon.message.templates import MessageHeld, TemplateFault, Templates
from antiphon.message.values import packed_sql, unpack
from antiphon.policy.moment import Moment
from antiphon.project import Project
from antiphon.quoting import literal
from antiphon.steps.frames import Frames

RISKY_ROWS = 20_000  # of one campaign; beyond, the dispatcher holds what cannot be printed
ADDRESSES = {"email": "email_address", "sms": "phone_e164"}
PROOFS = 3  # of each kind


def templates_of(project: Project) -> Templates:
    """The project's templates with its company and features."""
    configuration = project.configuration
    features = {name: feature.type for name, feature in configuration.features.items()}
    files = configuration.files.under("templates")
    return Templates.of(files, features, configuration.settings)


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

    def choose(self, settled: pa.Table, frames: Frames, campaigns: Sequence[Campaign]) -> None:
        """Make `chosen`, once: survivors (DECISIONS) with the customers' values templates use."""
        names = {*ADDRESSES.values(), "language"}.union(*(self.needed(c) for c in campaigns))
        self.session.register("settled", settled)
        wanted = ", ".join(
            f'{"c" if name in PERSONAL else "f"}."{name}"'
            for name in sorted(names - {"customer_id", "unit"})
        )
        self.session.execute(
            f"CREATE OR REPLACE TEMP TABLE chosen AS SELECT s.*, {wanted} FROM settled s "
            f"JOIN {frames.relation()} f ON f.customer_id = s.customer_id "
            "JOIN customers c ON c.customer_id = s.customer_id WHERE s.outcome <> 'held'"
        )

    def needed(self, campaign: Campaign) -> frozenset[str]:
        """The customers' values that any variant, language or channel of a campaign uses."""
        return frozenset().union(
            *(
                self.templates.needed(campaign.message, arm, language, channel)
                for arm in campaign.arms
                for language in self.templates.tree.languages
                for channel in campaign.channels
            )
        )

    def missing(self, campaign: Campaign) -> dict[str, str]:
        """Customer → the variable without a value, of those whose message cannot be printed.

        Only messages that lack a value their templates use are tried, at most RISKY_ROWS.
        """
        features = self.project.configuration.features
        nullable = [name for name in self.needed(campaign) if features[name].nullable]
        if not nullable:
            return {}
        lacking = " OR ".join(f'"{name}" IS NULL' for name in nullable)
        rows = self.session.rows(
            f"{self._messages_sql(campaign)} AND outcome = 'send' AND ({lacking}) "
            f"ORDER BY customer_id LIMIT {RISKY_ROWS}"
        )
        names = list(self._columns(campaign))
        held = {}
        for row in rows:
            message = dict(zip(names, row, strict=True))
            try:
                self.templates.render(
                    campaign.message,
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

    def messages(self, campaign: Campaign) -> pa.Table:
        """Rows for the outbox (ledger.planning.PLAN_SCHEMA), control rows included."""
        return self.session.arrow(self._messages_sql(campaign))

    def proofs(self, campaign: Campaign) -> list[str]:
        """Messages to render before release: of each variant, language and channel those with the
        longest, emptiest and oddest (least ASCII) values."""
        rows = self.session.rows(f"""
            WITH m AS ({self._messages_sql(campaign)} AND outcome = 'send'),
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

    def _messages_sql(self, campaign: Campaign) -> str:
        columns = ", ".join(f"{sql} AS {name}" for name, sql in self._columns(campaign).items())
        return f"SELECT {columns} FROM chosen WHERE campaign = '{campaign.campaign}'"

    def _columns(self, campaign: Campaign) -> dict[str, str]:
        configuration = self.project.configuration
        types = {name: feature.type for name, feature in configuration.features.items()}
        salt = literal(configuration.settings.salt)
        values = packed_sql(campaign, self.moment.business_day, self.needed(campaign), types)
        seconds = int(campaign.expires_after.total_seconds())
        plain = ("campaign", "step", "cell", "customer_id", "unit", "anchor", "arm", "channel")
        addresses = " ".join(f"WHEN '{key}' THEN {name}" for key, name in ADDRESSES.items())
        return {
            "message_id": keys.digest_sql("message", salt, "occurrence_key", "attempt::VARCHAR"),
            "occurrence_key": "occurrence_key",
            "attempt": "attempt::BIGINT",
            **{name: f"chosen.{name}::VARCHAR" for name in plain},
            "category": f"'{campaign.category}'",
            "values_json": f"CASE outcome WHEN 'send' THEN {values} ELSE '{{}}' END",
            "state": "CASE outcome WHEN 'send' THEN 'planned' ELSE 'control' END",
            "not_before": "planned_at",
            "expires_at": f"planned_at + to_seconds({seconds})",
            "planned_at": "planned_at",
            "address": f"CASE WHEN outcome = 'send' THEN CASE channel {addresses} END END",
            "template_hash": f"'{self.templates.template_hash(campaign.message)}'",
            "language": self._language,
        }

    @cached_property
    def _language(self) -> str:
        found = self.session.rows("SELECT DISTINCT language FROM chosen WHERE language IS NOT NULL")
        tree = self.templates.tree
        known = " ".join(
            "WHEN '{}' THEN '{}'".format(name.replace("'", "''"), tree.language(name))
            for (name,) in found
        )
        fallback = tree.languages[0]
        return f"CASE chosen.language {known} ELSE '{fallback}' END" if known else f"'{fallback}'"


def keep_templates(ledger: Ledger, templates: Templates, campaigns: Sequence[Campaign]) -> None:
    """Keep every message's templates by content, so that a message can be read for ever."""
    for message in sorted({campaign.message for campaign in campaigns}):
        ledger.contents.put(templates.bundle(message))
