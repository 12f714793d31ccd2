"""The shop of a town: every order goes into the files that the next run pulls, as in life."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow.csv

from antiphon.demo.shop import CATEGORIES
from antiphon.town.clock import TownClock
from antiphon.town.people import People

ORDERS, LINES, EVENTS = "orders.csv", "order_lines.csv", "events.csv"
CODE = "promo_code"
RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Order:
    """Who ordered when; the message that alone caused it ('' for none), and its code."""

    customer: str
    at: datetime
    message: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Sold:
    """An order with what was paid, in the business currency's cents."""

    order_id: str
    order: Order
    cents: int


class Shop:
    """Sells, and writes down what it sold. Its orders' files get a column for codes."""

    def __init__(self, folder: Path, people: People, clock: TownClock, seed: int) -> None:
        self._folder, self._people, self._clock, self._seed = folder, people, clock, seed
        self.sold: list[Sold] = []
        products = pyarrow.csv.read_csv(folder / "products.csv")
        names = list(CATEGORIES)
        self._shelves: list[list[tuple[str, int]]] = [[] for _ in names]
        for row in products.to_pylist():
            cents = round(float(row["price"]) * 100)
            self._shelves[names.index(row["category"])].append((row["product_id"], cents))
        _with_column(folder / ORDERS, CODE)
        self._columns, self._event_columns = _columns(folder / ORDERS), _columns(folder / EVENTS)
        self._carts = 0

    def sell(self, orders: Iterable[Order]) -> list[Sold]:
        """Take orders, in the order of time; they are in the files when this returns."""
        sold: list[Sold] = []
        rows: list[list[str]] = []
        lines: list[list[object]] = []
        for order in sorted(orders, key=lambda one: (one.at, one.customer)):
            number = len(self.sold) + len(sold) + 1
            order_id = f"T{number:07d}"
            basket = self._basket(order.customer, number)
            for place, (product, quantity, cents) in enumerate(basket, 1):
                lines.append([order_id, place, product, quantity, f"{cents / 100:.2f}"])
            total = sum(quantity * cents for _, quantity, cents in basket)
            rows.append(self._row(order_id, order.customer, order.at, total, order.code))
            sold.append(Sold(order_id, order, total))
        self._append(ORDERS, rows)
        self._append(LINES, lines)
        self.sold += sold
        return sold

    def note_carts(self, left: Iterable[tuple[str, datetime]]) -> None:
        """Carts that were filled and left, and when."""
        rows = []
        for customer, at in sorted(left, key=lambda one: (one[1], one[0])):
            self._carts += 1
            known = {
                "event_id": f"TE{self._carts:06d}",
                "customer_id": customer,
                "event": "cart_abandoned",
                "occurred_at": self._clock.wall(at).isoformat(),
                "product_id": self._basket(customer, -self._carts % 2**31)[0][0],
            }
            rows.append([known.get(name, "") for name in self._event_columns])
        self._append(EVENTS, rows)

    def take_back(self, orders: Iterable[tuple[Sold, datetime]]) -> None:
        """Whole orders that are given back: the shop system changes their status."""
        back = {one.order_id: self._clock.wall(at).isoformat() for one, at in orders}
        if not back:
            return
        with (self._folder / ORDERS).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            if at := back.get(row["order_id"]):
                row |= {"status": RETURNED, "updated_at": at}
        _write(self._folder / ORDERS, self._columns, rows)

    def _row(self, order_id: str, customer: str, at: datetime, cents: int, code: str) -> list[str]:
        wall = self._clock.wall(at).isoformat()
        known = {
            "order_id": order_id,
            "customer_id": customer,
            "ordered_at": wall,
            "amount": f"{cents / 100:.2f}",
            "store": "web" if code else "shop",
            "status": "paid",
            "updated_at": wall,
            CODE: code,
        }
        return [known.get(name, "") for name in self._columns]

    def _basket(self, customer: str, number: int) -> list[tuple[str, int, int]]:
        """Product, pieces and the price of one, for each line."""
        random = np.random.default_rng([self._seed, 7, number])
        taste = int(self._people.taste[self._people.place.get(customer, 0)])
        basket = []
        for _ in range(1 + int(random.poisson(1.1))):
            shelf = taste if random.random() < 0.55 else int(random.integers(len(self._shelves)))
            product, cents = self._shelves[shelf][int(random.integers(len(self._shelves[shelf])))]
            basket.append((product, 1 + int(random.random() < 0.15), cents))
        return basket

    def _append(self, name: str, rows: Sequence[Sequence[object]]) -> None:
        if rows:
            with (self._folder / name).open("a", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(rows)


def _columns(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file))


def _with_column(path: Path, name: str) -> None:
    """Give a file one more column, empty so far, unless it has it."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, restval="")
        rows, columns = list(reader), list(reader.fieldnames or ())
    if name not in columns:
        _write(path, [*columns, name], rows)


def _write(path: Path, columns: Sequence[str], rows: Iterable[dict[str, str]]) -> None:
    """A whole file, in place of the one that was there."""
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    fresh.replace(path)
