"""Everything we know of one customer: the whole frame, segments, messages, answers, chains."""

# ruff: noqa: S608  (conditions are checked)

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from antiphon import keys
from antiphon.audience.expressions import RELATION
from antiphon.clock import business_day
from antiphon.errors import UserFilesError
from antiphon.ledger import Message
from antiphon.policy.moment import Moment
from antiphon.project import Project
from antiphon.steps.frames import build_frames, last_constants
from antiphon.steps.planning import pulled, scratch

RESPONSES = "SELECT * FROM responses WHERE customer_id = $1 ORDER BY occurred_at DESC LIMIT $2"
ENROLMENTS = "SELECT * FROM enrolments WHERE customer_id = $1 ORDER BY entered_at DESC"


@dataclass(frozen=True)
class Customer:
    """One customer as of now.

    `frame`: feature → value, personal ones too. `segments`: the names of those the customer is in.
    `messages`, `responses`, `enrolments`: the last ones, newest first.
    """

    customer_id: str
    frame: Mapping[str, Any]
    segments: tuple[str, ...]
    messages: tuple[Message, ...]
    responses: tuple[Mapping[str, Any], ...]
    enrolments: tuple[Mapping[str, Any], ...]


def customer(project: Project, customer_id: str, last: int = 10) -> Customer:
    """The customer of that id, with `last` messages and responses; UserFilesError for nobody."""
    snapshot = pulled(project)
    zone = project.configuration.settings.business.timezone
    moment = Moment(project.clock(), business_day(project.clock(), zone), zone)
    bucket = keys.bucket_of(customer_id, snapshot.buckets)
    with project.lake.session(snapshot, bucket=bucket) as session:
        only = session.arrow(
            "SELECT customer_id FROM customers WHERE customer_id = $1", [customer_id]
        )
        responses = session.arrow(RESPONSES, [customer_id, last]).to_pylist()
        enrolments = session.arrow(ENROLMENTS, [customer_id]).to_pylist()
    if not only.num_rows:
        raise UserFilesError(
            f"there is no customer {customer_id!r} in the lake.\n"
            "  An id is the customer_id of your own source of customers."
        )
    definitions = project.configuration.definitions
    conditions = tuple(definitions.segments.values())
    with scratch(project.lake.path) as folder, project.lake.session(snapshot) as session:
        frames = build_frames(
            project,
            snapshot,
            moment,
            (),
            folder,
            needed=definitions.features,
            only=only,
            constants=last_constants(project),
            asked=conditions,
        )
        held = ", ".join(f"coalesce({one.sql}, false)" for one in conditions)
        ((*found,),) = session.rows(f"SELECT {held or 'NULL'} FROM {frames.relation()} {RELATION}")
        (row,) = session.arrow(f"SELECT * FROM {frames.relation()} {RELATION}").to_pylist()
    return Customer(
        customer_id,
        {name: row[name] for name in definitions.features},
        tuple(name for name, holds in zip(definitions.segments, found, strict=False) if holds),
        tuple(reversed(project.ledger.messages.by_customer(customer_id)[-last:])),
        tuple(responses),
        tuple(enrolments),
    )
