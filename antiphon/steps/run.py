"""Beginning, resuming and ending a run; what it pins; the lease that lets one run at a time."""

import json
import logging
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from functools import wraps
from importlib.metadata import version
from pathlib import Path

from antiphon.campaigns.models import Campaign
from antiphon.campaigns.touches import running_on
from antiphon.clock import Clock, business_day, no_earlier, system_clock
from antiphon.errors import AuditFailed, LeaseLost, LedgerError, RunBusy, UserFilesError
from antiphon.lake import Change, Snapshot
from antiphon.ledger import UNFINISHED, Lease, Ledger, RunState
from antiphon.ledger import Run as Record
from antiphon.policy.moment import Moment
from antiphon.policy.words.summary import CampaignSummary
from antiphon.project import Project, open_project, with_files
from antiphon.steps.heartbeat import beating
from antiphon.steps.holder import is_dead, this_process
from antiphon.steps.runlog import logged

DAILY, TRIGGERS = "daily", "triggers"  # flows that decide: of the two one run at a time
DECIDE = "decide"
LEASE = "planning"
LEASE_SECONDS = 60
CLOCKS_DIFFER = timedelta(minutes=5)
PATIENCE_SECONDS = 300  # of a daily run, for a pass of the triggers to end
WARNINGS = "warnings.txt"
SUMMARY = "summary.json"
ENGINES = ("duckdb", "pyarrow", "numpy", "great-expectations", "sqlglot", "jinja2", "antiphon")

Counts = dict[str, int]
log = logging.getLogger("antiphon.run")


@dataclass(frozen=True)
class Run:
    """A run at work: the project as pinned, the record, the lease."""

    project: Project
    record: Record
    lease: Lease

    @property
    def now(self) -> datetime:
        """The moment, aware UTC."""
        return self.project.clock()

    @property
    def id(self) -> str:
        """The run's id: 2026-05-12-daily-1."""
        return self.record.run_id

    @property
    def moment(self) -> Moment:
        """The run's time."""
        zone = self.project.configuration.settings.business.timezone
        return Moment(self.record.as_of, self.record.business_day, zone)

    @property
    def campaigns(self) -> tuple[Campaign, ...]:
        """Campaigns of the day in the order of their names, which is the order of mask bits."""
        only = self.record.parameters.get("campaigns")
        return todays_campaigns(self.project, self.record.business_day, only)

    @property
    def folder(self) -> Path:
        """Where the run leaves its log, validation results and report."""
        return self.project.var / "runs" / self.id

    def place(self, store: str) -> Path:
        """Where it writes files of a store of the lake. The lease's own: a planner that wakes up
        late touches nobody else's files."""
        return self.project.lake.path / store / self.id / str(self.lease.token)

    @property
    def snapshot_id(self) -> int:
        """The snapshot the run works on; LedgerError before `publish` pinned it."""
        if self.record.snapshot_id is None:
            raise LedgerError(f"run {self.id} has pinned no snapshot yet.")
        return self.record.snapshot_id

    @property
    def history_mark(self) -> int:
        """The ledger's mark up to which the snapshot holds its contacts."""
        return self.record.history_mark or 0

    def write(self, name: str, text: str) -> Path:
        """Leave a file in the run's folder, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path, fresh = self.folder / name, self.folder / f".{name}.new"
        fresh.write_text(text, encoding="utf-8")
        return fresh.replace(path)

    def write_summaries(self, summaries: Sequence[CampaignSummary]) -> None:
        """Keep the table of the day."""
        self.write(SUMMARY, json.dumps([asdict(one) for one in summaries], indent=1))

    def summaries(self) -> list[CampaignSummary]:
        """The table of the day; empty before `decide`."""
        return read_summaries(self.folder)

    def warn(self, lines: Iterable[str]) -> None:
        """Say in the log and keep for the report what a person should look at."""
        for line in lines:
            log.warning("%s", line)
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / WARNINGS).open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    def publish(self, change: Change) -> Snapshot:
        """Publish a change of the lake; raises LeaseLost when another run took over."""
        check_lease(self.project.ledger, self.record)
        return change.publish()

    def pin(self, *, snapshot_id: int, history_mark: int) -> None:
        """Pin what the run works from; what was pinned first stays."""
        runs, now = self.project.ledger.runs, self.now
        runs.pin(self.id, now, lease=self.lease, snapshot_id=snapshot_id, history_mark=history_mark)


def todays_campaigns(
    project: Project, day: date, only: Sequence[str] | None = None
) -> tuple[Campaign, ...]:
    """The campaigns whose period includes `day`, by name; UserFilesError for unknown names."""
    campaigns = project.configuration.campaigns
    if unknown := sorted(set(only or ()) - set(campaigns)):
        raise UserFilesError(f"no campaign {unknown[0]!r}. There are: {', '.join(campaigns)}.")
    return running_on(campaigns, day, only)


def read_summaries(folder: Path) -> list[CampaignSummary]:
    """The table of the day a run left in its folder; empty before its `decide`."""
    path = folder / SUMMARY
    if not path.exists():
        return []
    return [CampaignSummary(**one) for one in json.loads(path.read_text(encoding="utf-8"))]


@contextmanager
def running(
    root: Path,
    flow: str,
    day: date | None,
    campaigns: Sequence[str] | None = None,
    *,
    dry_run: bool,
    clock: Clock,
) -> Iterator[str]:
    """The id of the run to work on, its lease kept alive while the body works.

    It is the day's unfinished run, or a new one that pins the files. An error leaves it failed, to
    be resumed by the next run of that day (one in the user's files ends it: a new run reads the
    mended ones); a killed process leaves it running, and its lease runs out. Raises RunBusy while
    another run is at work.
    """
    project = open_project(root, clock)
    ledger = project.ledger
    today = business_day(clock(), project.configuration.settings.business.timezone)
    day = day or today
    if day > today:
        raise UserFilesError(f"the business day {day} has not begun: today is {today}.")
    todays_campaigns(project, day, campaigns)
    lease = take_lease(ledger, flow)
    with kept(ledger, lease):
        unfinished = [] if dry_run else ledger.runs.unfinished(flow, day)
        if unfinished:
            record = ledger.runs.resume(unfinished[0].run_id, clock(), lease=lease)
            beginning = "resuming run %s with what it had pinned, its campaigns too"
        else:
            parameters = {} if campaigns is None else {"campaigns": list(campaigns)}
            now = clock()
            as_of = _no_earlier_than_runs(ledger, now)
            record = ledger.runs.begin(
                flow, day, as_of, now, dry_run=dry_run, parameters=parameters, lease=lease
            )
            beginning = "run %s begins"
        folder = project.var / "runs" / record.run_id
        try:
            with logged(folder):
                log.info(beginning, record.run_id)
                if not unfinished and not dry_run:
                    _supersede(project, record)
                _remind(ledger, flow, day)
                record = _pinned(project, record, lease)
                yield record.run_id
                verdict = _verdict(read_summaries(folder), dry_run=record.dry_run)
                ledger.runs.finish(record.run_id, RunState.FINISHED, verdict, clock(), lease=lease)
                log.info("run %s is finished: %s", record.run_id, verdict)
        except BaseException as error:
            _stopped(project, record.run_id, lease, error)
            _tell(project, record.run_id)
            raise


def _no_earlier_than_runs(ledger: Ledger, now: datetime) -> datetime:
    """The moment of a new run, never before that of a finished one.

    Clocks of machines differ, and are set, by a little: that much is made up for. Whoever decides
    further back would take later contacts for none, and write to people again: UserFilesError.
    """
    last = ledger.runs.newest()
    if last is None or now >= last.as_of:
        return now
    if last.as_of - now <= CLOCKS_DIFFER:
        log.info("the clock is behind run %s: this run is as of its moment", last.run_id)
        return last.as_of
    raise UserFilesError(
        f"the clock says {now:%Y-%m-%d %H:%M:%S %Z}, but run {last.run_id} has decided as of "
        f"{last.as_of:%Y-%m-%d %H:%M:%S %Z}: time never runs backwards between runs.\n"
        "  Set the clock, or --at, to that moment or later. An earlier time can be rehearsed in a "
        "copy of the project without var/."
    )


def _supersede(project: Project, record: Record) -> None:
    """Abandon what the other flow left undecided: it would go on from facts older than these, and
    look at the chains as they were. Nothing of it left; what it saw, this run and the next see."""
    runs = project.ledger.runs
    for flow in {DAILY, TRIGGERS} - {record.flow}:
        for one in runs.latest(flow):
            if one.state not in UNFINISHED or one.dry_run or one.released_at:
                continue
            if not any(s.step == DECIDE and s.finished_at for s in runs.steps(one.run_id)):
                runs.abandon(one.run_id, f"run {record.run_id} began after it", project.clock())
                project.lake.unpin(one.run_id)
                log.warning("run %s had decided nothing: it is abandoned", one.run_id)


def _remind(ledger: Ledger, flow: str, day: date) -> None:
    """Name what a person may not expect: runs of other days that were never finished and keep
    what they pinned, and a day that comes after a later one."""
    runs = ledger.runs.latest(flow)
    if runs and runs[0].business_day > day:
        log.warning("%s has been run already; this run is of %s", runs[0].business_day, day)
    for one in runs:
        if one.state in UNFINISHED and one.business_day != day:
            log.warning("run %s was never finished: antiphon abandon %s", one.run_id, one.run_id)


def _stopped(project: Project, run_id: str, lease: Lease, error: BaseException) -> None:
    """Write down why the run stopped, unless another one took over.

    Where the user's files or data are wrong, what the run pinned is wrong: it is over before
    anything left, and the next one begins with the mended files.
    """
    runs, now = project.ledger.runs, project.clock()
    holder = project.ledger.leases.holder(LEASE, system_clock())
    latest = runs.get(run_id)
    if holder is None or holder.token != lease.token:
        return
    if latest is None or latest.state is not RunState.RUNNING:
        return
    reason = str(error) or type(error).__name__
    if isinstance(error, UserFilesError) and latest.released_at is None:
        runs.abandon(run_id, reason, now)
        project.lake.unpin(run_id)
    else:
        state = RunState.HELD if isinstance(error, AuditFailed) else RunState.FAILED
        runs.finish(run_id, state, reason, now, lease=lease)


def _tell(project: Project, run_id: str) -> None:
    """Let a person on duty hear of a run that ended by an error (`alerts` in settings.yaml)."""
    from antiphon.alerts.watching import stopped  # noqa: PLC0415 - it looks at runs, as we do

    stopped(project, run_id)


def _verdict(summaries: Sequence[CampaignSummary], *, dry_run: bool) -> str:
    sent, control = sum(one.sent for one in summaries), sum(one.control for one in summaries)
    if not sent + control:
        return "nothing new to send"
    would = "would send " if dry_run else ""
    return f"{would}{sent:,} messages, {control:,} held out as control"


def _pinned(project: Project, record: Record, lease: Lease) -> Record:
    """The run with its files and the versions of its engines on record; the first pinned stay."""
    engines = {name: version(name) for name in ENGINES} | {"python": platform.python_version()}
    return project.ledger.runs.pin(
        record.run_id,
        project.clock(),
        lease=lease,
        files_hash=project.ledger.contents.put_files(project.configuration.files),
        engine_versions=engines,
    )


def take_lease(ledger: Ledger, flow: str) -> Lease:
    """The lease of runs. It is about processes, and so lives by the machine's clock, in a
    rehearsal too: a run at another time never takes it from a living one.

    A pass of the triggers is over soon, and the daily run waits for it.
    """
    ttl = timedelta(seconds=LEASE_SECONDS)
    patience = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return ledger.leases.acquire(LEASE, this_process(), ttl, system_clock())
        except RunBusy as busy:
            other = ledger.leases.holder(LEASE, system_clock())
            if other is None:
                continue  # it has ended just now
            if is_dead(other.holder):
                log.info("the process that held the lease is gone: taking over")
                ledger.leases.release(other)
            elif flow == DAILY and _is_pass(ledger, other) and time.monotonic() < patience:
                time.sleep(0.5)
            else:
                raise RunBusy(f"another run is at work, so this one did nothing: {busy}") from None


def _is_pass(ledger: Ledger, lease: Lease) -> bool:
    """Whether a pass of the triggers holds the lease."""
    return any(one.lease_token == lease.token for one in ledger.runs.latest(TRIGGERS, limit=5))


@contextmanager
def kept(ledger: Ledger, lease: Lease) -> Iterator[None]:
    """Renews the lease from a thread while the body works, and frees it at the end."""

    def renew() -> bool:
        try:
            ledger.leases.renew(lease, timedelta(seconds=LEASE_SECONDS), system_clock())
        except LeaseLost:
            return False  # the guard of the next write says so
        except LedgerError:  # it may be back before the lease runs out
            log.warning("the lease could not be renewed; trying again")
        return True

    try:
        with beating("lease", LEASE_SECONDS / 4, renew):
            yield
    finally:
        ledger.leases.release(lease)


def open_run(root: Path, run_id: str, clock: Clock) -> Run:
    """The run with its pinned files; raises LeaseLost when another run took over."""
    ledger = open_project(root, clock).ledger
    record = ledger.runs.get(run_id)
    if record is None or record.files_hash is None:
        raise UserFilesError(f"there is no run {run_id}: `antiphon runs` lists them.")
    lease = check_lease(ledger, record)
    files = ledger.contents.files(record.files_hash)
    project = with_files(root, files, no_earlier(clock, record.as_of))
    return Run(project, record, lease)


def check_lease(ledger: Ledger, record: Record) -> Lease:
    """The lease under which the run works; raises LeaseLost when it is not its own any more."""
    lease = ledger.leases.holder(LEASE, system_clock())
    if lease is None or lease.token != record.lease_token:
        raise LeaseLost(f"run {record.run_id} does not hold the lease any more: repeat it.")
    return lease


Work = Callable[[Run], Mapping[str, int]]
StepFunction = Callable[[Path, str, Clock], Counts]


def step(name: str) -> Callable[[Work], StepFunction]:
    """Makes a step of a function: on record with its counts, and done once in a resumed run."""

    def wrap(work: Work) -> StepFunction:
        @wraps(work)
        def do(root: Path, run_id: str, clock: Clock) -> Counts:
            run = open_run(root, run_id, clock)
            runs = run.project.ledger.runs
            done = next((s for s in runs.steps(run_id) if s.step == name and s.finished_at), None)
            if done is not None:
                log.info("%s: done before the run was interrupted", name)
                return dict(done.counts)
            runs.begin_step(run_id, name, clock(), lease=run.lease)
            counts = dict(work(run))
            runs.finish_step(run_id, name, counts, clock(), lease=run.lease)
            log.info("%s: %s", name, ", ".join(f"{k} {v:,}" for k, v in counts.items()) or "done")
            return counts

        return do

    return wrap
