"""What came back: the door to antiphon.collection for flows, commands and runs."""

import logging
from pathlib import Path

from antiphon.clock import Clock
from antiphon.collection.collecting import Collected, collect
from antiphon.errors import AntiphonError
from antiphon.files import read_files
from antiphon.project import Project, glance
from antiphon.steps.run import Counts

log = logging.getLogger("antiphon.collection")


class NotAsked(AntiphonError):
    """A provider could not be asked; all else was done."""

    is_temporary = True


def collect_responses(root: Path, clock: Clock) -> Counts:
    """Read and draw consequences: the responses flow. Raises NotAsked after everything else.

    A template or condition that is wrong keeps nobody's opt-out waiting: these are not read.
    """
    done = collect_now(glance(root, read_files(root), clock))
    if done.troubles:
        raise NotAsked("\n".join(done.troubles))
    return done.result()


def collect_now(project: Project) -> Collected:
    """As `collecting.collect`, with what a person should look at in the log."""
    done = collect(project)
    if done.parsed.unreadable:
        log.warning(
            "%s requests could not be read: `antiphon responses` tells why",
            f"{done.parsed.unreadable:,}",
        )
    unknown = sorted(name for name in done.events if " unknown_" in name)
    for name in unknown:
        log.warning("%s: of a kind nobody knows, %s", name, f"{done.events[name]:,}")
    for trouble in done.troubles:
        log.warning("%s", trouble)
    return done
