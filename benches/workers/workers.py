# What processes cost and bring: the tasks of workers.ae with multiprocessing.
import multiprocessing as mp
import time


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

    begun = time.perf_counter()
    alone = [mandelbrot_row(y) for y in range(600)]
    first = time.perf_counter() - begun
    begun = time.perf_counter()
    with mp.Pool() as pool:
        together = pool.map(mandelbrot_row, range(600))
    second = time.perf_counter() - begun
    print(f"mandelbrot rows, ms alone and in parallel: {first * 1e3:.0f} {second * 1e3:.0f} {alone == together}")
