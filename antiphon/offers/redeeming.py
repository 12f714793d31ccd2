"""Codes that come back by orders: judged in the ledger, and told as responses."""

# ruff: noqa: S608  (names are ours)

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import pyarrow as pa

from antiphon.collection import record
from antiphon.keys import code_key, digest
from antiphon.lake import Session, Snapshot
from antiphon.ledger import Redemption, Response
from antiphon.ledger.redemptions import RETURNED, tallied
from antiphon.project import Project
from antiphon.response.redemptions import Told
from antiphon.states import ResponseKind

LOOKED_BACK = timedelta(days=400)  # an order may be given back, or come late, so long
TOLD_TO = "redemptions_told_to"  # a fact: up to which revision redemptions became responses
ORDER = "order"


def redeem(project: Project, told: Sequence[Told]) -> list[Redemption]:
    """Judges these uses of codes and keeps them; those that count become responses."""
    ledger = project.ledger
    ledger.codes.follow(project.clock())
    found = ledger.redemptions.redeem(told, project.configuration.settings.business.timezone)
    tell(project)
    return found


def tell(project: Project) -> int:
    """Every redemption that counts and was not told yet becomes a response; how many are new.

    A crash between the two tells them again, which changes nothing.
    """
    ledger, now = project.ledger, project.clock()
    since, upto = int(ledger.facts.get(TOLD_TO) or 0), ledger.history.mark()
    counted = ledger.redemptions.counted_since(since)
    added = record(project, [_response(one, now) for one in counted])
    if counted:
        ledger.facts.put(TOLD_TO, str(upto), now)
    return added[ResponseKind.REDEMPTION]


def _response(one: Redemption, now: datetime) -> Response:
    return Response(
        response_id=digest("response", one.source, one.redemption_id),
        kind=ResponseKind.REDEMPTION,
        occurred_at=one.redeemed_at,
        received_at=now,
        provider=one.source,
        message_id=one.message_id,
        customer_id=one.customer_id,
        campaign=one.campaign,
        channel=one.channel,
        value=one.code,
        evidence={"redemption": one.redemption_id},
    )


def redeem_orders(project: Project, snapshot: Snapshot) -> Counter[str]:
    """Redeems the codes of the snapshot's orders that the ledger has not judged, and looks which
    orders were given back since; uses by verdict, of those that are new or changed.

    An order is given back when it is gone, when nothing was paid for it in the end, or when its
    lines come to nothing. A code that nobody issued (of a newspaper, of a partner) is passed over.
    """
    ledger, since = project.ledger, project.clock() - LOOKED_BACK
    ledger.codes.follow(project.clock())
    judged, others = ledger.redemptions.of_orders(since), ledger.redemptions.judged_otherwise(since)
    tables = {"judged": judged, "others": others}
    with project.lake.session(snapshot, tables=tables) as session:
        words = session.rows(
            "SELECT DISTINCT promo_code FROM orders "
            f"WHERE promo_code IS NOT NULL AND ordered_at >= {_instant(since)}"
        )
        keys = {word: code_key(word) for (word,) in words}
        issued = ledger.codes.known(set(keys.values()))
        rows = [{"word": word, "code": key} for word, key in keys.items() if key in issued]
        session.register("issued", pa.Table.from_pylist(rows, schema=_ISSUED))
        told = _told(session, since)
    found = redeem(project, told) if told else []
    if not told:
        tell(project)
    return tallied(found)


def _told(session: Session, since: datetime) -> list[Told]:
    """Orders with a code that are new, changed or gone."""
    rows = session.rows(f"""
        WITH ordered AS (
            SELECT i.code, o.order_id, o.customer_id, o.ordered_at, o.discount,
                o.amount <= 0 OR coalesce(l.amount <= 0, false) AS is_returned
            FROM orders o
            JOIN issued i ON i.word = o.promo_code
            LEFT JOIN (
                SELECT order_id, sum(amount) AS amount FROM order_lines
                WHERE order_id IN (SELECT order_id FROM orders WHERE promo_code IS NOT NULL)
                GROUP BY order_id
            ) l ON l.order_id = o.order_id
            WHERE o.ordered_at >= {_instant(since)}
        )
        SELECT o.code, o.order_id, o.customer_id, o.ordered_at, o.discount, o.is_returned
        FROM ordered o
        ANTI JOIN others t ON t.code = o.code AND t.order_id = o.order_id
        LEFT JOIN judged j ON j.code = o.code AND j.order_id = o.order_id
        WHERE j.code IS NULL OR (j.verdict = '{RETURNED}') <> o.is_returned
            OR j.amount_e4 IS DISTINCT FROM
                coalesce((abs(o.discount) * 10000)::BIGINT, j.amount_e4)
        UNION ALL
        SELECT j.code, j.order_id, j.customer_id, j.redeemed_at, NULL, true
        FROM judged j
        ANTI JOIN ordered o ON o.code = j.code AND o.order_id = j.order_id
        WHERE j.verdict <> '{RETURNED}' AND j.source = '{ORDER}'
    """)
    return [
        Told(
            code=code,
            redeemed_at=at,
            source=ORDER,
            customer_id=customer,
            order_id=order,
            amount_e4=_e4(discount),
            is_returned=is_returned,
        )
        for code, order, customer, at, discount, is_returned in rows
    ]


def _e4(money: Decimal | None) -> int | None:
    return None if money is None else int(abs(money) * 10_000)


def _instant(moment: datetime) -> str:
    return f"TIMESTAMPTZ '{moment.isoformat()}'"


_ISSUED = pa.schema({"word": pa.string(), "code": pa.string()})
