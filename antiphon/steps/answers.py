"""Answers about one customer: why each campaign wrote or did not, and what they would get."""

# ruff: noqa: S608

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from antiphon import keys
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.touches import touches
from antiphon.clock import business_day
from antiphon.errors import UserFilesError
from antiphon.ledger import Run
from antiphon.message.content import Email, Sms
from antiphon.message.templates import MessageHeld
from antiphon.message.values import pack, unpack
from antiphon.policy.explain import explain
from antiphon.policy.moment import Moment
from antiphon.project import Project, with_files
from antiphon.quoting import literal
from antiphon.steps.composing import signer_of, templates_of
from antiphon.steps.frames import build_frames, last_constants, touch_conditions
from antiphon.steps.planning import scratch
from antiphon.steps.run import todays_campaigns


@dataclass(frozen=True)
class Answer:
    """What was decided of one campaign and one customer, in plain words."""

    campaign: str
    outcome: str
    words: str


def why(
    project: Project, customer_id: str, day: date | None = None, only: str | None = None
) -> tuple[Run, list[Answer]]:
    """Every campaign of the day (absent: of the latest run), by name, and the run asked.

    Of several runs on one day the one that chose to write speaks, else the latest.
    """
    runs = [one for one in project.ledger.runs.latest("daily", 1000) if not one.dry_run]
    snapshot = project.lake.current()
    decided = [one for one in runs if snapshot.files("decisions", one.run_id)]
    if day:
        decided = [one for one in decided if one.business_day == day]
    if not decided:
        raise UserFilesError(
            f"no decisions are kept{f' of {day}' if day else ''}: `antiphon runs` lists the runs."
        )
    latest = decided[0]
    same_day = [one.run_id for one in decided if one.business_day == latest.business_day]
    files = project.ledger.contents.files(latest.files_hash or "")
    pinned = with_files(project.root, files, project.clock)
    rows = _decisions(project, customer_id, same_day)
    campaigns = todays_campaigns(pinned, latest.business_day, [only] if only else None)
    zone = pinned.configuration.settings.business.timezone
    answers = []
    for campaign in campaigns:
        row = rows.get(campaign.campaign)
        words = (
            explain(row, pinned.configuration.policy, campaign, zone=zone)
            if row
            else "not in the audience"
        )
        answers.append(Answer(campaign.campaign, row["outcome"] if row else "", words))
    return latest, answers


def _decisions(
    project: Project, customer_id: str, run_ids: Sequence[str]
) -> dict[str, Mapping[str, Any]]:
    """Campaign → its decision on the customer: the first that wrote, else that of the latest run.

    `run_ids`: newest first.
    """
    snapshot = project.lake.current()
    with project.lake.session(snapshot) as session:
        ((known,),) = session.rows(
            "SELECT count(*) FROM customers WHERE customer_id = $1", [customer_id]
        )
        if not known:
            raise UserFilesError(f"there is no customer {customer_id!r} in the lake.")
        found: dict[str, Mapping[str, Any]] = {}
        for run_id in run_ids:
            paths = ", ".join(f"'{path}'" for path in snapshot.files("decisions", run_id))
            source = f"read_parquet([{paths}], union_by_name = true)"
            sql = f"SELECT * FROM {source} WHERE customer_id = $1"
            for row in session.arrow(sql, [customer_id]).to_pylist():
                before = found.get(row["campaign"])
                if before is None or (before["outcome"] == "held" != row["outcome"]):
                    found[row["campaign"]] = row
    return found


@dataclass(frozen=True)
class Preview:
    """One message as a customer would get it. `held`: why it could not be printed for them."""

    customer_id: str
    in_audience: bool
    arm: str
    channel: str
    language: str
    content: Email | Sms | None
    held: str = ""


def preview(project: Project, name: str, customer_id: str | None = None) -> list[Preview]:
    """Each variant and channel of a campaign for a customer (absent: one of its audience)."""
    campaign = project.configuration.campaigns.get(name)
    if campaign is None:
        there = ", ".join(project.configuration.campaigns)
        raise UserFilesError(f"there is no campaign {name!r}. There are: {there}.")
    zone = project.configuration.settings.business.timezone
    moment = Moment(project.clock(), business_day(project.clock(), zone), zone)
    person = _person(project, campaign, moment, customer_id)
    templates = templates_of(project)
    links = signer_of(project).links(keys.digest("preview", name, person["customer_id"]))
    language = templates.language(person["language"])
    previews = []
    for arm in campaign.arms:
        for channel in campaign.channels:
            names = templates.needed(campaign.message, arm, language, channel)
            values = unpack(pack(campaign, moment.business_day, person, names))
            content: Email | Sms | None = None
            held = ""
            try:
                content = templates.render(campaign.message, arm, language, channel, values, links)
            except MessageHeld as error:
                held = str(error)
            previews.append(
                Preview(
                    person["customer_id"],
                    bool(person["in_audience"]),
                    arm,
                    channel,
                    language,
                    content,
                    held,
                )
            )
    return previews


def _person(
    project: Project, campaign: Campaign, moment: Moment, customer_id: str | None
) -> Mapping[str, Any]:
    """One customer's frame, personal columns included, and whether the audience holds them."""
    snapshot = project.lake.current()
    if snapshot.id == 0:
        raise UserFilesError("there are no customers yet: `antiphon run` pulls them first.")
    buckets = (
        range(snapshot.buckets)
        if customer_id is None
        else [keys.bucket_of(customer_id, snapshot.buckets)]
    )
    for bucket in buckets:
        with project.lake.session(snapshot, bucket=bucket) as session:
            asked = "" if customer_id is None else f"WHERE customer_id = {literal(customer_id)}"
            people = session.arrow(f"SELECT customer_id FROM customers {asked}")
        if people.num_rows and (found := _found(project, campaign, moment, people, customer_id)):
            return found
    if customer_id is None:
        raise UserFilesError(
            f"nobody is in the audience of {campaign.campaign} today. Name a --customer."
        )
    raise UserFilesError(f"there is no customer {customer_id!r} in the lake.")


def _found(
    project: Project,
    campaign: Campaign,
    moment: Moment,
    people: pa.Table,
    customer_id: str | None,
) -> Mapping[str, Any] | None:
    """The customer, or the first of these people who is in the audience and may be reached."""
    spoken = touches([campaign])[:1]
    (condition,) = touch_conditions(project.configuration, spoken)
    lake, features = project.lake, project.configuration.features
    wanted = "TRUE" if customer_id else "in_audience AND email_reachable"
    with scratch(lake.path) as folder, lake.session(lake.current()) as session:
        frames = build_frames(
            project,
            lake.current(),
            moment,
            spoken,
            folder,
            needed=features,
            only=people,
            constants=last_constants(project),
        )
        rows = session.arrow(
            f"SELECT *, coalesce({condition.sql}, false) AS in_audience "
            f"FROM {frames.relation()} AS frame WHERE {wanted} ORDER BY customer_id LIMIT 1"
        ).to_pylist()
    return rows[0] if rows else None
