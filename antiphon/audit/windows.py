"""The auditor on how often: caps over windows, calendar periods and for ever; gaps; ratios."""
# ruff: noqa: S608  (what enters the texts is quoted here, and comes from checked configuration)

from collections.abc import Iterator
from datetime import timedelta

from antiphon.audit.queries import AuditQuery, Basis, length_us, max_column, texts
from antiphon.audit.tables import caps_of
from antiphon.campaigns.conversions import Calendar
from antiphon.campaigns.rules import Cap, Ratio
from antiphon.quoting import literal, quoted

LAST = "9223372036854775807"


def caps(basis: Basis) -> Iterator[AuditQuery]:
    """No window, period or lifetime that holds a planned message has too many contacts."""
    for title, cap in caps_of(basis):
        per = cap.per
        window = _rolling(per) if isinstance(per, timedelta) else _calendar(per)
        yield AuditQuery(title, f"WITH {_near(cap, basis)}, {window} {_too_many(title)}")


def _near(cap: Cap, basis: Basis) -> str:
    """`near`: for each planned message the contacts that share its holder and kind.

    Those chosen in the same run count where they must have been chosen before it or were
    forbidden by it: of two messages with different maxima the one with the lower came first.
    A control row was chosen when no more was there than what stood before this run.
    """
    holder = "household_id" if cap.of == "household" else "customer_id"
    kind = f"x.{cap.each}" if cap.each and cap.each != "offer" else "''"
    offered = ""
    if cap.each == "offer":
        kind = "o.code"
        offered = f"JOIN ({_offers(basis)}) o ON o.campaign = x.campaign"
    most = f"p.{quoted(max_column(cap))}" if isinstance(cap.max, str) else str(cap.max)
    reach = ""
    if isinstance(cap.per, timedelta):
        reach = f"AND c.us > b.us - {length_us(cap.per)} AND c.us < b.us + {length_us(cap.per)}"
    scope = basis.scope(cap)
    return f"""
        own AS (
            SELECT x.message_id, x.{holder} AS holder, {kind} AS kind, x.us, x.contact_at,
                x.is_exempt, x.is_contact, x.is_counted, p.timezone,
                {most} AS most, {basis.bound(cap)} AS is_bound
            FROM audit_log x JOIN audit_people p ON p.customer_id = x.customer_id {offered}
            WHERE x.is_planned AND {scope}
        ),
        counted AS (
            SELECT NULL AS message_id, x.{holder} AS holder, {kind} AS kind, x.us, x.contact_at,
                NULL AS chosen
            FROM audit_log x {offered} WHERE NOT x.is_planned AND x.is_counted AND {scope}
            UNION ALL
            SELECT message_id, holder, kind, us, contact_at, CASE WHEN NOT is_exempt
                THEN CASE WHEN is_bound THEN most ELSE {LAST} END END
            FROM own WHERE is_counted
        ),
        near AS (
            SELECT b.message_id, b.us AS own_us, b.contact_at AS moment, b.timezone, b.most, c.us,
                c.contact_at
            FROM own b JOIN counted c
                ON c.holder = b.holder AND c.kind = b.kind {reach}
            WHERE b.is_bound AND c.message_id IS DISTINCT FROM b.message_id
                AND (c.chosen IS NULL OR (b.is_contact AND c.chosen <= b.most))
            UNION ALL
            SELECT message_id, us, contact_at, timezone, most, us, contact_at
            FROM own WHERE is_bound
        )"""


def _offers(basis: Basis) -> str:
    offers = [("", ""), *((one.campaign, one.promise or "") for one in basis.known if one.offer)]
    rows = ", ".join(f"({literal(campaign)}, {literal(code)})" for campaign, code in offers)
    return f"SELECT * FROM (VALUES {rows}) AS offers(campaign, code)"


def _rolling(per: timedelta) -> str:
    """Every window worth looking at begins with one of its contacts. Half open: the end is out."""
    length = length_us(per)
    return f"""
        windows AS (
            SELECT message_id, own_us, most, us AS begins, count(*) OVER (
                PARTITION BY message_id ORDER BY us
                RANGE BETWEEN CURRENT ROW AND {max(length - 1, 0)} FOLLOWING
            ) AS held
            FROM near
        ),
        held AS (
            SELECT message_id, most, max(held) AS held FROM windows
            WHERE begins <= own_us AND begins > own_us - {max(length, 1)}
            GROUP BY message_id, most
        )"""


def _calendar(per: Calendar) -> str:
    """The period of the message on its customer's own clock; weeks begin on Monday."""
    same = "true"
    if per is not Calendar.EVER:
        unit = literal(per.value.removeprefix("calendar "))
        same = (
            f"date_trunc({unit}, timezone(timezone, contact_at)) "
            f"= date_trunc({unit}, timezone(timezone, moment))"
        )
    return f"""
        held AS (
            SELECT message_id, most, count(*) AS held FROM near WHERE {same}
            GROUP BY message_id, most
        )"""


def _too_many(title: str) -> str:
    return (
        f"SELECT {literal(title)} AS rule, message_id, held AS found, most AS allowed "
        "FROM held WHERE held > most"
    )


def ratios(basis: Basis) -> Iterator[AuditQuery]:
    """At no contact of the tag, up to and with it, are there more of the tag than its share.

    A planned message of the tag answers for itself and for the later ones of the tag in whose
    window it stands. A control row was allowed when no more of the tag was there than before.
    """
    for ratio in basis.in_force(basis.policy.ratios):
        yield AuditQuery(ratio.title, _ratio(ratio, basis))


def _ratio(ratio: Ratio, basis: Basis) -> str:
    per, tagged = length_us(ratio.per), texts(basis.tagged(ratio.of))

    def allowed(count: str) -> str:
        return f"greatest({ratio.free}, floor({ratio.share!r}::DOUBLE * ({count}) + 1e-9))"

    return f"""
        WITH asked AS (
            SELECT DISTINCT x.customer_id FROM audit_log x
            WHERE {basis.bound(ratio)} AND x.campaign IN {tagged}
        ),
        scoped AS (
            SELECT x.message_id, x.customer_id, x.us, x.is_planned, x.is_exempt, x.is_contact,
                x.is_counted, x.campaign IN {tagged} AS is_tagged, {basis.bound(ratio)} AS is_bound
            FROM audit_log x
            WHERE {basis.scope(ratio)} AND (x.is_counted OR x.is_planned)
                AND x.customer_id IN (SELECT customer_id FROM asked)
        ),
        counts AS (
            SELECT *, count(*) FILTER (is_counted) OVER before AS every,
                count(*) FILTER (is_counted AND is_tagged) OVER before AS tagged,
                count(*) FILTER (is_counted AND is_tagged AND NOT (is_planned AND NOT is_exempt))
                    OVER before AS tagged_before
            FROM scoped WINDOW before AS (
                PARTITION BY customer_id ORDER BY us
                RANGE BETWEEN {max(per - 1, 0)} PRECEDING AND CURRENT ROW
            )
        ),
        broken AS (
            SELECT customer_id, us, tagged, {allowed("every")} AS allowed FROM counts
            WHERE is_counted AND is_tagged AND tagged > {allowed("every")}
        )
        SELECT {literal(ratio.title)} AS rule, b.message_id, max(q.tagged) AS found,
            min(q.allowed) AS allowed
        FROM counts b JOIN broken q ON q.customer_id = b.customer_id
            AND q.us >= b.us AND q.us < b.us + {per}
        WHERE b.is_bound AND b.is_tagged AND b.is_counted
        GROUP BY b.message_id
        UNION ALL
        SELECT {literal(ratio.title)}, message_id, tagged_before + 1, {allowed("every + 1")}
        FROM counts
        WHERE is_bound AND is_tagged AND NOT is_contact
            AND tagged_before + 1 > {allowed("every + 1")}
        """
