"""Generated files into a lake at once, without pull and validation: what is measured is later."""

import shutil
from datetime import date
from pathlib import Path

import duckdb

from antiphon.lake import Lake

# Files by the entity they hold, in the order of their merge: lines find their orders.
FILES = {
    "customers": ("customers",),
    "products": ("products",),
    "orders": ("orders",),
    "order_lines": ("order_lines",),
    "events": ("events", "wishes"),
    "consents": ("consents",),
    "contacts": ("contacts",),
    "responses": ("responses",),
    "notices": ("notices",),
}
_STAGED = """
copy (
    select * exclude (file_row_number){derived}, '{name}' as _source, file_row_number as _row
    from read_parquet('{path}', file_row_number = true)
) to '{staged}' (format parquet, compression lz4)
"""
_CUSTOMERS = """, email as email_address, email is not null as email_valid,
    md5(email) as email_key, phone as phone_e164, phone is not null as phone_valid,
    md5(phone) as phone_key"""


def load(lake: Lake, folder: Path, day: int, business_day: date) -> dict[str, int]:
    """Publish a day's files (0: the first load, 1: the news); visible rows of every entity."""
    staging = lake.staging(f"load-{day}")
    with lake.change("bench", day=business_day) as change, duckdb.connect() as engine:
        engine.execute("set timezone = 'UTC'")
        for entity, names in FILES.items():
            staged = []
            for name in names:
                path = folder / f"{name}-{day}.parquet"
                if path.exists():
                    staged.append(staging / path.name)
                    derived = _CUSTOMERS if entity == "customers" else ""
                    engine.execute(
                        _STAGED.format(derived=derived, name=name, path=path, staged=staged[-1])
                    )
            if staged:
                change.merge(entity, staged)
        snapshot = change.publish()
    shutil.rmtree(staging)
    return snapshot.rows
