"""The auditor on who is held out: control groups, variants, test groups, strata (DESIGN §6)."""
# ruff: noqa: S608  (what enters the texts is quoted here, and comes from checked configuration)

from collections.abc import Iterator, Mapping

from antiphon import keys
from antiphon.audit.queries import AuditQuery, Basis
from antiphon.audit.tables import is_stratified
from antiphon.quoting import literal, quoted

FORMATS = {
    "month": "strftime(p.day, '%Y-%m')",
    "quarter": "year(p.day)::VARCHAR || '-Q' || quarter(p.day)::VARCHAR",
    "year": "year(p.day)::VARCHAR",
    None: "''",
}


def arms(basis: Basis) -> Iterator[AuditQuery]:
    """Every check of who is asked, and who is treated how."""
    if basis.campaigns:
        yield _control(basis)
        yield _variants(basis)
    yield from _test_groups(basis)
    yield from _strata(basis)


def _control(basis: Basis) -> AuditQuery:
    """Who is in a control group gets nothing, who is in none is no control row: the share of
    keyed hashes (salt, experiment, unit, period) below the declared share.

    The period of the universal control is that of the day for which the message is planned. A
    stratified campaign's own control is another check's.
    """
    policy = basis.policy
    universal = policy.universal_control
    shares = ", ".join(
        f"({literal(one.campaign)}, "
        f"{_edge(0.0 if one.category in policy.exempt else one.control)}, "
        f"{str(is_stratified(one, basis.policy)).lower()})"
        for one in basis.campaigns
    )
    period = FORMATS[universal.period if universal else None]
    everywhere = keys.number_sql("control", "$salt", "'*'", "p.unit", period)
    own = keys.number_sql("control", "$salt", "p.campaign", "p.unit", "''")
    return AuditQuery(
        "control",
        f"""
        WITH rules(campaign, edge, is_stratified) AS (VALUES {shares}),
        expected AS (
            SELECT p.message_id, p.state, p.arm, r.is_stratified, CASE
                WHEN NOT p.is_exempt AND {everywhere} < {_edge(universal.share if universal else 0)}
                THEN 'universal_control'
                WHEN r.is_stratified THEN CASE p.arm WHEN 'control' THEN 'control' END
                WHEN {own} < r.edge THEN 'control' END AS control
            FROM audit_log p JOIN rules r ON r.campaign = p.campaign WHERE p.is_planned
        )
        SELECT 'control' AS rule, message_id, 1 AS found, 0 AS allowed FROM expected
        WHERE (control IS NULL) <> (state <> 'control')
           OR (control IS NULL AND arm IN ('control', 'universal_control'))
           OR (control IS NOT NULL AND arm <> control)
        """,
        {"salt": basis.salt},
    )


def _variants(basis: Basis) -> AuditQuery:
    """Each treated unit has the variant of its slice of the keyed hashes."""
    slices = ", ".join(
        f"({literal(one.campaign)}, {literal(arm)}, {low}, {high}, "
        f"{str(is_stratified(one, basis.policy)).lower()})"
        for one in basis.campaigns
        for arm, (low, high) in _slices(one.arms).items()
    )
    own = keys.number_sql("arm", "$salt", "p.campaign", "p.unit", "''")
    return AuditQuery(
        "arm",
        f"""
        WITH slices(campaign, arm, low, high, is_stratified) AS (VALUES {slices}),
        drawn AS (
            SELECT p.message_id, p.campaign, p.arm, {own} AS number FROM audit_log p
            WHERE p.is_planned AND p.state <> 'control'
                AND p.campaign IN (SELECT campaign FROM slices)
        )
        SELECT 'arm' AS rule, d.message_id, 1 AS found, 0 AS allowed
        FROM drawn d LEFT JOIN slices s ON s.campaign = d.campaign AND s.arm = d.arm
        WHERE s.arm IS NULL
            OR NOT (s.is_stratified OR (d.number >= s.low AND d.number < s.high))
        """,
        {"salt": basis.salt},
    )


def _test_groups(basis: Basis) -> Iterator[AuditQuery]:
    """A campaign of a test group asks only units of this group."""
    rows = []
    for one in basis.campaigns:
        if one.test is None or one.category in basis.policy.exempt:
            continue
        layer = basis.policy.tests[one.test.layer]
        total = float(sum(layer.groups.values()))
        groups = {name: float(weight) / total for name, weight in layer.groups.items()}
        low, high = _slices(groups)[one.test.group]
        rows.append(
            f"({literal(one.campaign)}, {literal(one.test.layer)}, "
            f"{literal(layer.period or '')}, {low}, {high})"
        )
    if not rows:
        return
    periods = " ".join(f"WHEN '{name}' THEN {sql}" for name, sql in FORMATS.items() if name)
    drawn = keys.number_sql(
        "test", "$salt", "g.layer", "p.unit", f"CASE g.period {periods} ELSE '' END"
    )
    yield AuditQuery(
        "test_group",
        f"""
        WITH groups(campaign, layer, period, low, high) AS (VALUES {", ".join(rows)}),
        drawn AS (
            SELECT p.message_id, g.low, g.high, {drawn} AS number
            FROM audit_log p JOIN groups g ON g.campaign = p.campaign WHERE p.is_planned
        )
        SELECT 'test_group' AS rule, message_id, 1 AS found, 0 AS allowed
        FROM drawn WHERE number < low OR number >= high
        """,
        {"salt": basis.salt},
    )


def _strata(basis: Basis) -> Iterator[AuditQuery]:
    """In each stratum every group has its share, to less than one message each way.

    What was held after the draw (`Basis.late`) may be missing from any of them.
    """
    for one in basis.campaigns:
        if not (is_stratified(one, basis.policy) and basis.has_frame):
            continue
        treated = 1 - one.control
        shares = {arm: share * treated for arm, share in one.arms.items()}
        late = basis.late.get(one.campaign, 0)
        twice = 1 if len(shares) == 1 else 2  # control is rounded first, then the variants
        values = ", ".join(
            f"({literal(arm)}, {share!r}::DOUBLE, {late + (1 if arm == 'control' else twice)})"
            for arm, share in {"control": one.control, **shares}.items()
        )
        yield AuditQuery(
            "strata",
            f"""
            WITH shares(arm, share, slack) AS (VALUES {values}),
            drawn AS (
                SELECT s.{quoted(f"stratum:{one.strata}")} AS stratum, x.arm
                FROM audit_log x JOIN audit_people s ON s.customer_id = x.customer_id
                WHERE x.is_planned AND x.campaign = {literal(one.campaign)}
                    AND x.arm <> 'universal_control'
            ),
            sizes AS (SELECT stratum, count(*) AS size FROM drawn GROUP BY stratum),
            counts AS (SELECT stratum, arm, count(*) AS held FROM drawn GROUP BY stratum, arm)
            SELECT 'strata' AS rule, NULL::VARCHAR AS message_id,
                coalesce(c.held, 0) AS found, z.size * h.share AS allowed
            FROM sizes z CROSS JOIN shares h
            LEFT JOIN counts c ON c.stratum = z.stratum AND c.arm = h.arm
            WHERE abs(coalesce(c.held, 0) - z.size * h.share) >= h.slack - 1e-6
            """,
        )


def _slices(shares: Mapping[str, float]) -> dict[str, tuple[str, str]]:
    """Name → from which number (included) to which (excluded) its slice goes."""
    found: dict[str, tuple[str, str]] = {}
    low, edge = "0", 0.0
    for name, share in shares.items():
        edge += share
        is_last = len(found) == len(shares) - 1
        high = f"{2**64}::HUGEINT" if is_last else _edge(edge)
        found[name] = (low, high)
        low = high
    return found


def _edge(share: float) -> str:
    """The first 64-bit number beyond the share, exactly."""
    return f"{int(share * 2**64)}::HUGEINT"
