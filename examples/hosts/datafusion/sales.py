"""The questions of `src/main.rs` to the same engine, with functions in Python: `python3 sales.py [ROWS]`.

Needs the packages `datafusion` and `pyarrow`. A function gets Arrow arrays; the loop over their rows is Python's.
"""

import sys
import time

import pyarrow as pa
from datafusion import SessionConfig, SessionContext, udf

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
BATCH = 8192
CITIES = ["Amsterdam", "Lisbon", "Hamburg", "Vienna", "Port Louis", "Porto", "Newport", "Prague"]


def sales():
    partitions = [[], []]
    for number, first in enumerate(range(0, ROWS, BATCH)):
        ids = range(first, min(first + BATCH, ROWS))
        partitions[number % 2].append(
            pa.RecordBatch.from_arrays(
                [
                    pa.array(ids, pa.int64()),
                    pa.array([i * 7919 % 100_000 / 100 for i in ids], pa.float64()),
                    pa.array([i * 31 % 20 for i in ids], pa.int64()),
                    pa.array([CITIES[i * 5 % 8] for i in ids], pa.string()),
                ],
                ["id", "price", "quantity", "city"],
            )
        )
    return partitions


def gross(price, quantity):
    total = price * quantity
    if quantity >= 10:
        return total * 0.9
    return total


def gross_rows(prices, quantities):
    rows = zip(prices.to_pylist(), quantities.to_pylist())
    return pa.array([gross(price, quantity) for price, quantity in rows], pa.float64())


def has_port_rows(cities):
    return pa.array(["ort" in city for city in cities.to_pylist()], pa.bool_())


context = SessionContext(SessionConfig().with_target_partitions(2).with_batch_size(BATCH))
context.register_record_batches("sales", sales())
context.register_udf(udf(gross_rows, [pa.float64(), pa.int64()], pa.float64(), "immutable", "gross"))
context.register_udf(udf(has_port_rows, [pa.string()], pa.bool_(), "immutable", "has_port"))
for name, question in [
    ("numbers, Python", "SELECT sum(gross(price, quantity)) FROM sales"),
    ("texts, Python", "SELECT count(*) FROM sales WHERE has_port(city)"),
]:
    begun = time.perf_counter()
    answer = context.sql(question).collect()
    seconds = time.perf_counter() - begun
    print(f"{name}: {seconds:.3f} s, {ROWS / seconds / 1e6:.1f} million rows a second")
    print("  ", answer[0].column(0)[0])
