"""Write examples/orders.csv: a thousand gifts for the employees of a company, the same ones every time.

Run: python examples/make_orders.py [FILE]
"""

import csv
import random
import sys
from collections.abc import Iterator
from pathlib import Path

ROWS = 1_000
SEED = 20260301

# Products of the sandbox that are delivered at once: product id, denominations, weight.
PRODUCTS = [
    (1001, (250, 500, 1000), 30),
    (1002, (500, 750, 1500), 22),
    (1003, (200, 500), 16),
    (1004, (10, 25, 50), 12),
    (1005, (10, 20), 8),
    (1006, (10, 25), 8),
    (1007, (50, 100), 4),
]
FIRST = "Aarav Ananya Arjun Diya Emma Farah Grace Hugo Isha Kabir Lena Leo Meera Noah Omar Priya Rohan Sara Vikram Zoya"
LAST = "Bauer Brown Das Fischer Gupta Haddad Iyer Khan Kumar Mehta Miller Nair Patel Rao Reddy Schmidt Shah Singh Smith"
TAGS = ["spring-bonus", "spring-bonus", "spring-bonus", "work-anniversary", "referral"]


def rows() -> Iterator[list[object]]:
    """Yield the header, then the rows."""
    dice = random.Random(SEED)  # noqa: S311 - a fixed seed makes the same rows every time
    weights = [weight for _, _, weight in PRODUCTS]
    yield ["key", "product_id", "denomination", "quantity", "email", "tag"]
    for number in range(1, ROWS + 1):
        product_id, values, _ = dice.choices(PRODUCTS, weights)[0]
        name = f"{dice.choice(FIRST.split())}.{dice.choice(LAST.split())}".lower()
        quantity = dice.choices((1, 2, 3), (92, 6, 2))[0]
        email = f"{name}.{number:04d}@example.com"
        yield [f"EMP-{number:05d}", product_id, dice.choice(values), quantity, email, dice.choice(TAGS)]


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("orders.csv")
    with target.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows())
    print(f"{ROWS} rows in {target}")
