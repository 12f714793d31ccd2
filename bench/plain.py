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
        _habits(folder, now, today),
        _favourites(folder, now),
        _events(folder, now, today),
        _contacts(folder, now, today),
        _consents(folder, now),
    ):
        frame = frame.join(part)
    sums = ("order_count", "event_count", "contact_count", "spend_")
    filled = [name for name in frame.columns if name.startswith(sums) and "trend" not in name]
    frame[filled] = frame[filled].fillna(0)
    frame["app_installed"] = frame.days_since_app_installed.notna()
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
    counts, spends = {}, {}
    for days in (7, 30, 90, 180, 365, 730):
        within = orders[orders.ordered_at >= today - pd.DateOffset(days=days - 1)]
        counts[days] = within[within.amount >= 0].groupby("customer_id").size()
        counts[days] = counts[days].reindex(found.index, fill_value=0)
        spends[days] = within.groupby("customer_id").amount.sum().reindex(found.index, fill_value=0)
    for days in (7, 30, 90, 365):
        found[f"order_count_{days}d"], found[f"spend_{days}d"] = counts[days], spends[days]
    for days in (90, 365):
        for name, sums in (("order", counts), ("spend", spends)):
            before = sums[2 * days] - sums[days]
            found[f"{name}_trend_{days}d"] = sums[days] / before.where(before > 1e-6)
    found["average_order"] = found.spend_total / found.order_count
    return found


def _habits(folder: Path, now: pd.Timestamp, today: pd.Timestamp) -> pd.DataFrame:
    orders = _read(folder, "orders", "customer_id", "ordered_at", "amount", "store")
    orders = orders[(orders.ordered_at <= now) & (orders.amount >= 0)]
    local = orders.ordered_at.dt.tz_convert(today.tz)
    orders = orders.assign(
        day=local.dt.tz_localize(None).dt.normalize(),
        favourite_weekday=local.dt.dayofweek + 1,
        favourite_hour=local.dt.hour,
        favourite_store=orders.store,
    ).sort_values(["customer_id", "ordered_at"])
    by_customer = orders.groupby("customer_id")
    second = orders[by_customer.cumcount() == 1].set_index("customer_id").day
    found = pd.DataFrame({"second_order_day": second.dt.date})
    days = orders[["customer_id", "day"]].drop_duplicates()
    gaps = days.groupby("customer_id").day.diff().dt.days.dropna()
    gaps = gaps.groupby(days.customer_id[gaps.index])
    found["median_gap_days"] = gaps.median()[gaps.size() >= 2]
    late = (today.tz_localize(None) - by_customer.day.max()).dt.days
    found["gaps_late"] = late / found.median_gap_days - 1
    for name in ("favourite_weekday", "favourite_hour", "favourite_store"):
        found = found.join(_ranked(orders, name)[0], how="outer")
    return found


def _favourites(folder: Path, now: pd.Timestamp) -> pd.DataFrame:
    orders = _read(folder, "orders", "order_id", "customer_id", "category", "ordered_at", "amount")
    orders = orders[(orders.ordered_at <= now) & (orders.amount >= 0)]
    lines = _read(folder, "order_lines", "order_id", "customer_id", "product_id", "quantity")
    alone = orders[~orders.order_id.isin(lines.order_id)]
    sold = lines[(lines.quantity > 0) & lines.order_id.isin(orders.order_id)]
    sold = sold.merge(_read(folder, "products", "product_id", "category"))
    bought = pd.concat([one[["customer_id", "category"]] for one in (alone, sold)])
    first, second = _ranked(bought, "category")
    return pd.DataFrame({"favourite_category": first, "second_category": second})


def _ranked(facts: pd.DataFrame, name: str) -> tuple[pd.Series, pd.Series]:
    """Each customer's most frequent value and the second; of equal ones the first in order."""
    times = facts.groupby(["customer_id", name]).size().rename("times").reset_index()
    times = times.sort_values(["customer_id", "times", name], ascending=[True, False, True])
    rank = times.groupby("customer_id").cumcount()
    first, second = (times[rank == place].set_index("customer_id")[name] for place in (0, 1))
    return first, second


def _events(folder: Path, now: pd.Timestamp, today: pd.Timestamp) -> pd.DataFrame:
    events = _read(folder, "events", "customer_id", "event", "occurred_at")
    events = events[events.occurred_at <= now]
    carts = events[events.event == "cart_abandoned"].groupby("customer_id").occurred_at.max()
    recent = events[events.occurred_at >= today - pd.DateOffset(days=29)]
    apps = events[events.event == "app_installed"].groupby("customer_id").occurred_at.min()
    return pd.DataFrame(
        {
            "days_since_app_installed": _days(today, apps),
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
