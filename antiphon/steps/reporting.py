"""Reports: the queries of sql/reports/ over the lake and what the ledger has learnt since."""

import pyarrow as pa

from antiphon.errors import UserFilesError
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
        zone = project.configuration.settings.business.timezone
        return session.arrow(sql, {"business_zone": zone} if "$business_zone" in sql else None)
