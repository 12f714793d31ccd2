"""The customer frame of a day, bucket by bucket, and who is in which segment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from antiphon.audience.conditions import Condition, combine, parse
from antiphon.audience.frame import counts_sql, frame_sql, moment_parameters
from antiphon.campaigns.configuration import Configuration
from antiphon.campaigns.models import Campaign
from antiphon.errors import AntiphonError, UserFilesError
from antiphon.lake import Snapshot
from antiphon.policy.moment import Moment
from antiphon.project import Project
from antiphon.steps.buckets import bucket_session, each_bucket


@dataclass(frozen=True)
class Frames:
    """One Parquet file per bucket, and how many customers each segment holds."""

    paths: tuple[Path, ...]
    customers: int
    segments: Mapping[str, int]


def segment_conditions(configuration: Configuration) -> dict[str, Condition]:
    """Every segment's condition, by name."""
    segments = configuration.segments.segments
    return {name: _parsed(configuration, segment.where) for name, segment in segments.items()}


def audience_conditions(
    configuration: Configuration, campaigns: Sequence[Campaign]
) -> dict[str, Condition]:
    """Every campaign's audience (its segment and its condition), in the order of the campaigns."""
    segments = segment_conditions(configuration)
    conditions = {}
    for campaign in campaigns:
        parts = [segments[campaign.audience.segment]] if campaign.audience.segment else []
        if campaign.audience.where:
            parts.append(_parsed(configuration, campaign.audience.where))
        conditions[campaign.campaign] = combine(parts)
    return conditions


def _parsed(configuration: Configuration, text: str) -> Condition:
    parsed = parse(text, configuration.features)
    if isinstance(parsed, Condition):
        return parsed
    raise AntiphonError(f"a condition passed the check and does not parse: {parsed[0].message}")


def build_frames(
    project: Project,
    snapshot: Snapshot,
    moment: Moment,
    campaigns: Sequence[Campaign],
    folder: Path,
) -> Frames:
    """Write the frame of every bucket into `folder`; features count facts up to the moment.

    Raises UserFilesError when a feature file gives a customer more than one row.
    """
    configuration = project.configuration
    segments = segment_conditions(configuration)
    asked = [*segments.values(), *audience_conditions(configuration, campaigns).values()]
    used = frozenset[str]().union(*(condition.columns for condition in asked))
    sql = frame_sql(configuration.files, configuration.sources, used)
    parameters = moment_parameters(moment.as_of, moment.business_day, moment.zone)
    suppressions = project.ledger.people.suppressions_table(moment.as_of)

    def build(bucket: int) -> tuple[Path, Sequence[int]]:
        path = folder / f"b{bucket:03d}.parquet"
        with bucket_session(project, snapshot, bucket, suppressions=suppressions) as session:
            rows = session.write(sql, path, parameters)
            ((customers,),) = session.rows("SELECT count(*) FROM customers")
            if rows != customers:
                raise UserFilesError(
                    f"sql/features/: {customers:,} customers became {rows:,} rows of the frame: "
                    "a file returns a customer twice.\n  Group each file by customer_id."
                )
            (counts,) = session.rows(counts_sql(segments, f"read_parquet('{path}')"))
        return path, counts

    built = each_bucket(project, snapshot, build)
    customers, *sizes = map(sum, zip(*(counts for _, counts in built), strict=True))
    paths = tuple(path for path, _ in built)
    return Frames(paths, customers, dict(zip(segments, sizes, strict=True)))
