"""The same features and audiences as an analyst would write them in pandas, without tricks.

Amounts are floats and texts Arrow strings, which is what makes pandas fastest here. Reads the
columns it needs of var/beside/entities, writes the frame as Parquet, as Antiphon does.
"""

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from antiphon.states import CONTACT_STATES
from bench.campaigns import plans

CHANNELS = ("email", "sms")
CATEGORIES = ("promo", "lifecycle", "service")
PERSON = ("customer_id", "language", "city", "sex", "timezone", "birthday", "registered_at")
REACH = ("email_valid", "email_address", "phone_valid", "phone_e164")


def features_and_audiences(folder: Path, as_of: datetime, zone: str) -> dict[str, int]:
    """Rows of the frame, and candidates of all audiences together."""
    frame = features(folder / "entities", as_of, zone)
    frame.to_parquet(folder / "pandas.parquet", compression="zstd")
    masks = {plan.name: plan.mask(frame).fillna(False).astype(bool) for plan in plans()}
    return {
        "customers": len(frame),
        "candidates": sum(int(mask.sum()) for mask in masks.values()),
    }


def features(folder: Path, as_of: datetime, zone: str) -> pd.DataFrame:
    """The customer frame, indexed by customer_id."""
    now = pd.Timestamp(as_of)
    today = now.tz_convert(zone).normalize()
    frame = _read(folder, "customers", *PERSON, *REACH).set_index("customer_id")
    for part in (
        _orders(folder, now, today),
        _favourite(folder, now),
        _events(folder, now, today),
        _contacts(folder, now, today),
        _consents(folder, now),
    ):
        frame = frame.join(part)
    counts = [name for name in frame.columns if name.startswith(("order_count", "event_count"))]
    spends = [name for name in frame.columns if name.startswith("spend_")]
    filled = [*counts, *spends, "contact_count_30d"]
    frame[filled] = frame[filled].fillna(0)
    frame["email_reachable"] = frame.email_valid.fillna(False) & frame.email_address.notna()
    frame["sms_reachable"] = frame.phone_valid.fillna(False) & frame.phone_e164.notna()
    _person(frame, as_of, zone, today)
    return frame


def _read(folder: Path, name: str, *columns: str) -> pd.DataFrame:
    table = pq.read_table(folder / f"{name}.parquet", columns=list(columns))
    schema = pa.schema(
        [
            (one.name, pa.float64() if pa.types.is_decimal(one.type) else one.type)
            for one in table.schema
        ]
    )
    return table.cast(schema).to_pandas()


def _days(today: pd.Timestamp, instants: pd.Series) -> pd.Series:
    days = instants.dt.tz_convert(today.tz).dt.normalize().dt.tz_localize(None)
    return (today.tz_localize(None) - days).dt.days


def _orders(folder: Path, now: pd.Timestamp, today: pd.Timestamp) -> pd.DataFrame:
    orders = _read(folder, "orders", "customer_id", "ordered_at", "amount")
    orders = orders[orders.ordered_at <= now]
    bought = orders[orders.amount >= 0]
    by_customer = bought.groupby("customer_id").ordered_at.agg(["count", "min", "max"])
    found = pd.DataFrame(
        {
            "order_count": by_customer["count"],
            "spend_total": orders.groupby("customer_id").amount.sum(),
            "first_order_day": by_customer["min"].dt.tz_convert(today.tz).dt.date,
            "last_order_day": by_customer["max"].dt.tz_convert(today.tz).dt.date,
            "days_since_order": _days(today, by_customer["max"]),
        }
    )
    for days in (30, 90, 365):
        begin = today - pd.DateOffset(days=days - 1)
        within = orders[orders.ordered_at >= begin]
        found[f"order_count_{days}d"] = within[within.amount >= 0].groupby("customer_id").size()
        found[f"spend_{days}d"] = within.groupby("customer_id").amount.sum()
    found["average_order"] = found.spend_total / found.order_count
    return found


def _favourite(folder: Path, now: pd.Timestamp) -> pd.Series:
    orders = _read(folder, "orders", "customer_id", "category", "ordered_at", "amount")
    orders = orders[(orders.ordered_at <= now) & (orders.amount >= 0)]
    times = orders.groupby(["customer_id", "category"]).size().rename("times").reset_index()
    times = times.sort_values(["customer_id", "times", "category"], ascending=[True, False, True])
    first = times.drop_duplicates("customer_id").set_index("customer_id")
    return first.category.rename("favourite_category")


def _events(folder: Path, now: pd.Timestamp, today: pd.Timestamp) -> pd.DataFrame:
    events = _read(folder, "events", "customer_id", "event", "occurred_at")
    events = events[events.occurred_at <= now]
    carts = events[events.event == "cart_abandoned"].groupby("customer_id").occurred_at.max()
    recent = events[events.occurred_at >= today - pd.DateOffset(days=29)]
    return pd.DataFrame(
        {
            "days_since_cart_abandoned": _days(today, carts),
            "event_count_30d": recent.groupby("customer_id").size(),
        }
    )


def _contacts(folder: Path, now: pd.Timestamp, today: pd.Timestamp) -> pd.DataFrame:
    contacts = _read(folder, "contacts", "customer_id", "channel", "state", "contact_at")
    counted = contacts.state.isin([str(state) for state in CONTACT_STATES])
    contacts = contacts[counted & (contacts.contact_at <= now)]
    recent = contacts[contacts.contact_at >= today - pd.DateOffset(days=29)]
    found = {
        "days_since_contact": _days(today, contacts.groupby("customer_id").contact_at.max()),
        "contact_count_30d": recent.groupby("customer_id").size(),
    }
    for channel in CHANNELS:
        last = contacts[contacts.channel == channel].groupby("customer_id").contact_at.max()
        found[f"days_since_contact_{channel}"] = _days(today, last)
    return pd.DataFrame(found)


def _consents(folder: Path, now: pd.Timestamp) -> pd.DataFrame:
    acts = _read(folder, "consents", "customer_id", "channel", "category", "granted", "acted_at")
    acts = acts[acts.acted_at.isna() | (acts.acted_at <= now)]
    # Of acts at one instant the objection wins, and without a date none is later than any.
    acts = acts.sort_values(["acted_at", "granted"], ascending=[True, False], na_position="first")
    found = {}
    for channel in CHANNELS:
        for category in CATEGORIES:
            mine = acts.channel.isin([channel, "*"]) & acts.category.isin([category, "*"])
            last = acts[mine].drop_duplicates("customer_id", keep="last")
            name = f"consent_{channel}_{category}"
            found[name] = last.set_index("customer_id").granted
    return pd.DataFrame(found)


def _person(frame: pd.DataFrame, as_of: datetime, zone: str, today: pd.Timestamp) -> None:
    birthday = pd.to_datetime(frame.birthday)
    days = {None: as_of.astimezone(ZoneInfo(zone)).date()}
    for name in frame.timezone.dropna().unique():
        days[name] = as_of.astimezone(ZoneInfo(name)).date()
    local: Any = pd.to_datetime(frame.timezone.map(days).fillna(days[None]))
    month, day = birthday.dt.month, birthday.dt.day
    # Who was born on 29 February has the birthday on the 28th (in a leap year on the 29th).
    leap = local.dt.is_leap_year | (month != 2) | (day != 29)
    parts = pd.DataFrame({"month": month, "day": day.where(leap, 28)})
    this_year = pd.to_datetime(parts.assign(year=local.dt.year))
    following = parts.assign(year=local.dt.year + 1, day=day.where((month != 2) | (day != 29), 28))
    next_year = pd.to_datetime(following)
    frame["age"] = local.dt.year - birthday.dt.year - (this_year > local).astype(int)
    frame["days_to_birthday"] = (this_year.where(this_year >= local, next_year) - local).dt.days
    frame["days_since_registration"] = _days(today, frame.registered_at)
