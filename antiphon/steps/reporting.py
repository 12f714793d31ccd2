"""Reports: the queries of sql/reports/ over the lake and what the ledger has learnt since."""

# ruff: noqa: S608

import pyarrow as pa

from antiphon.errors import UserFilesError
from antiphon.lake import Snapshot
from antiphon.project import Project
from antiphon.steps.intake import ledger_mark


def run_report(project: Project, name: str) -> pa.Table:
    """The table a report's query answers; UserFilesError where there is no such report."""
    reports = project.configuration.files.under("sql/reports")
    sql = reports.get(f"{name}.sql")
    if sql is None:
        there = ", ".join(path.removesuffix(".sql") for path in reports)
        raise UserFilesError(f"there is no sql/reports/{name}.sql. There are: {there or 'none'}.")
    snapshot = project.lake.current()
    with project.ledger.history.contacts_since(ledger_mark(snapshot)) as reader:
        recent = reader.read_all()
    with project.lake.session(snapshot, tables={"recent": recent}) as session:
        session.execute(
            "CREATE TEMP TABLE latest AS SELECT * FROM contacts ANTI JOIN recent USING (message_id)"
            " UNION ALL BY NAME SELECT * FROM recent"
        )
        session.execute("CREATE OR REPLACE TEMP VIEW contacts AS FROM latest")
        session.execute(f"CREATE TEMP VIEW quarantine AS {_quarantine_sql(snapshot)}")
        zone = project.configuration.settings.business.timezone
        return session.arrow(sql, {"business_zone": zone} if "$business_zone" in sql else None)


def _quarantine_sql(snapshot: Snapshot) -> str:
    """Every row taken out that is still kept: run_id, entity, source, row_number, reasons, row."""
    columns = "run_id, entity, source, row_number, reasons, row"
    if paths := snapshot.files("quarantine"):
        listed = ", ".join(f"'{path}'" for path in paths)
        return f"SELECT {columns} FROM read_parquet([{listed}], union_by_name = true)"
    return f"SELECT * FROM (VALUES ('', '', '', 0, [''], '')) AS nobody({columns}) WHERE false"
