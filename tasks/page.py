"""Page: the run as one HTML file in its folder, and in short as an artifact."""

import logging

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from antiphon.errors import AntiphonError
from antiphon.project import open_project
from tasks.edge import clock, root

log = logging.getLogger("antiphon.run")


@task(name="page", cache_policy=NO_CACHE)
def page(run_id: str) -> None:
    """A run is no worse for a page that could not be written: that is told, and no more."""
    from antiphon.reports.digest import write_and_digest  # noqa: PLC0415 (imports numpy, scipy)

    try:
        told = write_and_digest(open_project(root(), clock()), run_id)
    except Exception as error:  # everything has been sent, and is on record
        reason = str(error) if isinstance(error, AntiphonError) else type(error).__name__
        log.warning("the page of the run could not be written: %s", reason)
        return
    create_markdown_artifact(told, key="report", description=f"Run {run_id}")
