"""What a customer would get from a campaign now, step by step; nothing is kept."""

# ruff: noqa: S608  (names are our columns, conditions are checked)

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import pyarrow as pa

from antiphon import keys
from antiphon.audience.expressions import RELATION
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.touches import Touch, touches
from antiphon.clock import business_day
from antiphon.errors import UserFilesError
from antiphon.message.content import Email, Sms
from antiphon.message.packing import Values
from antiphon.message.templates import MessageHeld
from antiphon.message.values import unpack
from antiphon.policy.moment import Moment
from antiphon.project import Project, with_files
from antiphon.quoting import literal, quoted
from antiphon.steps.composing import (
    cells_of,
    occasion_sql,
    occasions_sql,
    reminded_by,
    signer_of,
    templates_of,
    used_by,
)
from antiphon.steps.frames import build_frames, last_constants, touch_conditions
from antiphon.steps.planning import scratch
from antiphon.steps.run import todays_campaigns

PEOPLE_TRIED = 1000  # of those with an occasion, before anybody else


@dataclass(frozen=True)
class Preview:
    """One message as a customer would get it. `held`: why it could not be printed for them.

    `step`: of a chain, else ''. `occasion`: what it speaks of; '' where it is an example, or none
    is needed.
    """

    customer_id: str
    in_audience: bool
    step: str
    arm: str
    channel: str
    language: str
    content: Email | Sms | None
    occasion: str = ""
    held: str = ""


def preview(
    project: Project,
    name: str,
    customer_id: str | None = None,
    languages: Sequence[str] | None = None,
) -> list[Preview]:
    """Each step, variant and channel of a campaign for a customer.

    Without one, for somebody of today's occasions whom it is meant for, else for anybody else. In
    the customer's language, or in each of these.
    """
    campaign = project.configuration.campaigns.get(name)
    if campaign is None:
        there = ", ".join(project.configuration.campaigns)
        raise UserFilesError(f"there is no campaign {name!r}. There are: {there}.")
    if project.lake.current().id == 0:
        raise UserFilesError("there are no customers yet: `antiphon run` pulls them first.")
    zone = project.configuration.settings.business.timezone
    moment = Moment(project.clock(), business_day(project.clock(), zone), zone)
    return list(_Previewer(project, campaign, moment).previews(customer_id, languages))


@dataclass(frozen=True)
class _Previewer:
    project: Project
    campaign: Campaign
    moment: Moment

    @cached_property
    def touches(self) -> tuple[Touch, ...]:
        return touches([self.campaign])

    def previews(
        self, customer_id: str | None, languages: Sequence[str] | None
    ) -> Iterator[Preview]:
        configuration = self.project.configuration
        person = self._person(customer_id)
        templates = templates_of(self.project)
        key = keys.digest("preview", self.campaign.campaign, person["customer_id"])
        links = signer_of(self.project).links(key)
        spoken = [templates.language(one) for one in languages or [person["language"]]]
        for place, touch in enumerate(self.touches):
            values = Values(
                touch,
                self.moment.business_day,
                used_by(templates, touch),
                used_by(templates, touch, "occasion"),
                cells_of(configuration, touch),
                reminded_by(configuration, touch),
            )
            occasion = self._occasion(touch, person["customer_id"])
            packed = unpack(values.pack(person, person["cell"], occasion))
            each = product(self.campaign.arms, dict.fromkeys(spoken), touch.channels)
            for arm, language, channel in each:
                content: Email | Sms | None = None
                held = ""
                try:
                    content = templates.render(touch.message, arm, language, channel, packed, links)
                except MessageHeld as error:
                    held = str(error)
                yield Preview(
                    person["customer_id"],
                    bool(person[f"in_{place}"]),
                    touch.step,
                    arm,
                    channel,
                    language,
                    content,
                    occasion["anchor"] or "",
                    held,
                )

    # ------------------------------------------------------------ whose

    def _person(self, customer_id: str | None) -> Mapping[str, Any]:
        """One customer's frame, personal columns included, and whether the audience holds them."""
        is_asked = customer_id is not None
        for people in self._groups(customer_id):
            if people.num_rows and (found := self._first(people, is_asked=is_asked)):
                return found
        if is_asked:
            raise UserFilesError(f"there is no customer {customer_id!r} in the lake.")
        raise UserFilesError(
            f"nobody is in the audience of {self.campaign.campaign} today. Name a --customer."
        )

    def _groups(self, customer_id: str | None) -> Iterator[pa.Table]:
        """Customers to look at, those of today's occasions first, then bucket by bucket."""
        snapshot = self.project.lake.current()
        if customer_id is not None:
            with self.project.lake.session(snapshot) as session:
                asked = f"WHERE customer_id = {literal(customer_id)}"
                yield session.arrow(f"SELECT customer_id FROM customers {asked}")
            return
        yield self._occasions.select(["customer_id"]).slice(0, PEOPLE_TRIED)
        for bucket in range(snapshot.buckets):
            with self.project.lake.session(snapshot, bucket=bucket) as session:
                people = session.arrow("SELECT customer_id FROM customers")
            yield people

    def _first(self, people: pa.Table, *, is_asked: bool) -> Mapping[str, Any] | None:
        """The customer, or the first of these people who is in an audience and may be reached."""
        configuration, lake = self.project.configuration, self.project.lake
        holds = {
            f"in_{place}": f"coalesce({condition.sql}, false)"
            for place, condition in enumerate(touch_conditions(configuration, self.touches))
        }
        cells = cells_of(configuration, self.touches[0])
        fields = ", ".join(f"{quoted(name)} := {sql}" for name, sql in cells.items())
        columns = [f"{sql} AS {name}" for name, sql in holds.items()]
        columns.append(f"{f'struct_pack({fields})' if fields else 'NULL'} AS cell")
        wanted = "TRUE" if is_asked else f"({' OR '.join(holds)}) AND email_reachable"
        with scratch(lake.path) as folder, lake.session(lake.current()) as session:
            frames = build_frames(
                self.project,
                lake.current(),
                self.moment,
                self.touches,
                folder,
                needed=configuration.features,
                only=people,
                constants=last_constants(self.project),
            )
            rows = session.arrow(
                f"SELECT * FROM (SELECT {RELATION}.*, {', '.join(columns)} "
                f"FROM {frames.relation()} AS {RELATION}) WHERE {wanted} "
                "ORDER BY customer_id LIMIT 1"
            ).to_pylist()
        return rows[0] if rows else None

    # ------------------------------------------------------------ of what

    def _occasion(self, touch: Touch, customer_id: str) -> Mapping[str, Any]:
        """What the templates see of the customer's occasion, or of an example."""
        mine = [
            row
            for row in self._occasions.to_pylist()
            if (row["step"], row["customer_id"]) == (touch.step, customer_id)
        ]
        return mine[0] if mine else self._example

    @cached_property
    def _occasions(self) -> pa.Table:
        """The campaign's occasions that the last run found, the earliest first."""
        lake = self.project.lake
        snapshot = lake.current()
        for run in self.project.ledger.runs.latest():
            paths = snapshot.files("occasions", run.run_id)
            if run.files_hash is None or not paths:
                continue
            files = self.project.ledger.contents.files(run.files_hash)
            pinned = with_files(self.project.root, files, self.project.clock)
            only = run.parameters.get("campaigns")
            every = touches(todays_campaigns(pinned, run.business_day, only))
            name = self.campaign.campaign
            places = [(place, t) for place, t in enumerate(every) if t.name == name]
            if places:
                return self._read(occasions_sql(paths), places)
        return self._read(occasions_sql([]), [(0, self.touches[0])])

    def _read(self, source: str, places: Sequence[tuple[int, Touch]]) -> pa.Table:
        steps = ", ".join(
            f"({place}, {literal(touch.step)}, {touch.after.total_seconds()})"
            for place, touch in places
        )
        with self.project.lake.session(self.project.lake.current()) as session:
            return session.arrow(
                f"SELECT o.customer_id, s.step, o.anchor, "
                f"unnest({occasion_sql(self.moment.zone, 's.after')}) "
                f"FROM {source} o JOIN (VALUES {steps}) s(touch, step, after) USING (touch) "
                "LEFT JOIN products product ON product.product_id = o.product_id "
                "ORDER BY o.due_at, o.customer_id, o.anchor"
            )

    @cached_property
    def _example(self) -> Mapping[str, Any]:
        """Some product, today: to see a message of which there is no occasion yet."""
        with self.project.lake.session(self.project.lake.current()) as session:
            rows = session.rows(
                "SELECT product_id, name FROM products WHERE name IS NOT NULL ORDER BY 1 LIMIT 1"
            )
        product_id, name = rows[0] if rows else (None, None)
        example = {"product_id": product_id, "product_name": name, "value": None}
        return {"anchor": None, "day": self.moment.business_day} | example
