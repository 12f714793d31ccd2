"""Campaigns of before Antiphon: who was written to, what was promised, what was redeemed.

A folder of CSV files, each of which may be absent: contacts.csv, codes.csv, redemptions.csv.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from antiphon import keys
from antiphon.clock import business_day, system_clock
from antiphon.errors import UserFilesError
from antiphon.ledger import RunState
from antiphon.ledger.redemptions import tallied
from antiphon.offers.redeeming import redeem
from antiphon.offers.uses import read_lines
from antiphon.project import Project
from antiphon.steps.holder import this_process
from antiphon.steps.run import LEASE

FLOW = "import"
CONTACTS = (
    *("campaign", "customer_id", "contact_at", "channel", "category", "arm"),
    *("code", "discount", "gift", "valid_until"),
)
CODES = ("code", "campaign", "valid_from", "valid_until", "discount", "gift")
CHOICES = {"channel": ("email", "sms"), "category": ("promo", "lifecycle", "service")}
SHOWN = 20
LONGEST = timedelta(minutes=10)  # a million contacts take one
Row = dict[str, Any]


@dataclass
class Past:
    """What a folder tells. `faults`: file and line → what is wrong with it."""

    contacts: list[Row] = field(default_factory=list)
    codes: list[Row] = field(default_factory=list)
    told: list[Any] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def bring_in(project: Project, folder: Path) -> Counter[str]:
    """Writes all of it into the ledger; how many contacts and codes, and redemptions by verdict.

    The same folder again changes nothing. Raises UserFilesError, and writes nothing, where any
    line is wrong, and RunBusy while a run is at work.
    """
    past = _read(project, folder)
    if past.faults:
        more = [f"and {len(past.faults) - SHOWN:,} more"] if len(past.faults) > SHOWN else []
        raise UserFilesError(
            f"{len(past.faults):,} lines are wrong; nothing was brought in:\n  "
            + "\n  ".join([*past.faults[:SHOWN], *more])
        )
    ledger, now = project.ledger, project.clock()
    done = Counter[str]()
    lease = ledger.leases.acquire(LEASE, this_process(), LONGEST, system_clock())
    try:
        if past.contacts:
            day = business_day(now, project.configuration.settings.business.timezone)
            run = ledger.runs.begin(FLOW, day, now, now, lease=lease)
            new = ledger.importing.contacts(past.contacts, run.run_id, lease, now)
            said = f"{new} contacts of before"
            ledger.runs.finish(run.run_id, RunState.FINISHED, said, now, lease=lease)
            done["contacts"] = new
        done["codes"] = ledger.importing.codes(past.codes)
    finally:
        ledger.leases.release(lease)
    for verdict, count in tallied(one for one in redeem(project, past.told) if one.is_new).items():
        done[f"redemptions {verdict}"] = count
    return done


def _read(project: Project, folder: Path) -> Past:
    settings = project.configuration.settings
    zone, now, past = settings.business.timezone, project.clock(), Past()
    readers: dict[str, Callable[[Row], None]] = {
        "contacts.csv": lambda row: past.contacts.append(_contact(row, settings.salt, zone, now)),
        "codes.csv": lambda row: past.codes.append(_code(row, zone)),
    }
    found = False
    for name, take in readers.items():
        if (text := _text(folder / name)) is None:
            continue
        found = True
        for number, row in _rows(name, text, CONTACTS if name == "contacts.csv" else CODES):
            try:
                take(row)
            except ValueError as error:
                past.faults.append(f"{name}:{number}: {error}")
    if (text := _text(folder / "redemptions.csv")) is not None:
        found = True
        lines = read_lines(text, "file", zone, now, name=f"{folder.resolve().name}/redemptions.csv")
        past.told = lines.told
        past.faults += [f"redemptions.csv:{n}: {said}" for n, said in sorted(lines.faults.items())]
    if not found:
        raise UserFilesError(
            f"{folder} holds neither contacts.csv nor codes.csv nor redemptions.csv.\n"
            "  docs/offers.md says what these files hold."
        )
    return past


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8-sig") if path.exists() else None
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise UserFilesError(f"{path} cannot be read: {why}.") from None


def _rows(name: str, text: str, columns: tuple[str, ...]) -> Iterator[tuple[int, Row]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    names = set(reader.fieldnames or ())
    needed = {"campaign", "customer_id", "contact_at"} if columns is CONTACTS else {"campaign"}
    if missing := sorted((needed | ({"code"} if columns is CODES else set())) - names):
        raise UserFilesError(f"{name}:1: there is no column {missing[0]!r}.")
    if unknown := sorted(names - set(columns)):
        there = ", ".join(columns)
        raise UserFilesError(f"{name}:1: nobody knows the column {unknown[0]!r}. Allowed: {there}.")
    for row in reader:
        yield reader.line_num, {key: (value or "").strip() for key, value in row.items() if key}


def _contact(row: Row, salt: str, zone: str, now: datetime) -> Row:
    chosen = {name: row.get(name) or allowed[0] for name, allowed in CHOICES.items()}
    chosen["category"] = row.get("category") or "promo"
    for name, allowed in CHOICES.items():
        if chosen[name] not in allowed:
            raise ValueError(f"'{name}' is one of {', '.join(allowed)}")
    for name in ("campaign", "customer_id"):
        if not row[name] or "|" in row["campaign"]:
            raise ValueError(f"'{name}' is empty, or no name")
    at = _instant(row["contact_at"], "contact_at", zone)
    if at > now:
        raise ValueError("'contact_at' is still to come")
    anchor = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    key = keys.occurrence_key(row["campaign"], "", row["customer_id"], anchor)
    offer = _offer(row)
    return {
        "message_id": keys.message_id(salt, key, 1),
        "occurrence_key": key,
        "campaign": row["campaign"],
        "customer_id": row["customer_id"],
        "anchor": anchor,
        "arm": row.get("arm") or "default",
        **chosen,
        "values_json": json.dumps({"offer": offer} if offer else {}, separators=(",", ":")),
        "contact_at": at,
    }


def _offer(row: Mapping[str, str]) -> Row:
    """What the message promised, where it named a code."""
    if not row.get("code"):
        return {}
    until = row.get("valid_until") or None
    if until is not None:
        _day(until, "valid_until")
    return {"code": row["code"], "discount": row.get("discount") or None, "valid_until": until}


def _code(row: Row, zone: str) -> Row:
    code, campaign = keys.code_key(row["code"]), row["campaign"]
    if not code or not campaign:
        raise ValueError("'code' or 'campaign' is empty")
    since, until = row.get("valid_from") or "1970-01-02", row.get("valid_until")
    last = _day(until, "valid_until") if until else None
    return {
        "code": code,
        "campaign": campaign,
        "discount": row.get("discount") or None,
        "gift": row.get("gift") or None,
        "issued_at": _midnight(_day(since, "valid_from"), zone),
        "valid_until": _midnight(last + timedelta(days=1), zone) if last else None,
    }


def _day(text: str, name: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{name}' is no day: write 2026-05-12") from None


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def _instant(text: str, name: str, zone: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{name}' is no instant: write 2026-05-12T18:30") from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))
    return aware.astimezone(UTC)
