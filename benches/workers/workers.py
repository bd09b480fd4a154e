# What processes cost and bring: the tasks of workers.ae with multiprocessing, on the files that workers.ae has made.
import json
import multiprocessing as mp
import sys
import time
from collections import Counter


def one():
    return 1


def echo(pipe):
    while (message := pipe.recv()) is not None:
        pipe.send(message)


def mandelbrot_row(y):
    inside = 0
    for x in range(600):
        cr, ci = x / 300.0 - 1.5, y / 300.0 - 1.0
        zr = zi = 0.0
        k = 0
        while k < 100 and zr * zr + zi * zi < 4.0:
            zr, zi = zr * zr - zi * zi + cr, 2.0 * zr * zi + ci
            k += 1
        inside += k
    return inside


def parse_file(path):
    with open(path) as file:
        return sum(item["price"] for item in json.load(file)["items"])


def count_part(path):
    with open(path) as file:
        return Counter(file.read().split())["error"]


def add_one(x):
    return x + 1


def both(name, function, items):
    begun = time.perf_counter()
    alone = [function(item) for item in items]
    first = time.perf_counter() - begun
    begun = time.perf_counter()
    with mp.Pool() as pool:
        together = pool.map(function, items)
    second = time.perf_counter() - begun
    print(f"{name}, ms alone and in parallel: {first * 1e3:.0f} {second * 1e3:.0f} {alone == together}")


if __name__ == "__main__":
    begun = time.perf_counter()
    for _ in range(50):
        process = mp.Process(target=one)
        process.start()
        process.join()
    print(f"start and join, us: {(time.perf_counter() - begun) * 1e6 / 50:.1f}")

    near, far = mp.Pipe()
    process = mp.Process(target=echo, args=(far,))
    process.start()
    near.send(0)
    near.recv()
    begun = time.perf_counter()
    for i in range(5000):
        near.send(i)
        near.recv()
    print(f"round trip, us: {(time.perf_counter() - begun) * 1e6 / 5000:.1f}")

    rows = [
        {"id": i, "name": f"person number {i}", "mail": f"person{i}@example.org", "scores": [i, i * 2, 7], "active": i % 2 == 0}
        for i in range(100000)
    ]
    begun = time.perf_counter()
    near.send(rows)
    near.recv()
    print(f"100,000 records there and back, ms: {(time.perf_counter() - begun) * 1e3:.0f}")
    near.send(None)

    both("mandelbrot rows", mandelbrot_row, range(600))
    directory = sys.argv[1]
    both("200 JSON files", parse_file, [f"{directory}/{n}.json" for n in range(200)])
    both("words of a log", count_part, [f"{directory}/log{part}" for part in range(12)])
    both("tiny work", add_one, range(20))
