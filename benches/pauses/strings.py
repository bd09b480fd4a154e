# A dict of n strings, in which a random one is replaced in each turn.
import math
import sys
import time


def main():
    n = int(sys.argv[1])
    counts = [0] * 640
    seed = 1
    texts = {}
    for i in range(n):
        texts["key " + str(i)] = "value " + str(i)
    last = time.perf_counter()
    for turn in range(3000000):
        seed = (seed * 1103515245 + 12345) % 2147483648
        texts["key " + str(seed % n)] = "value " + str(seed)
        now = time.perf_counter()
        counts[int(math.log((now - last) * 1000000000.0 + 1.0) * 23.083120654223414)] += 1
        last = now
    for i in range(len(counts)):
        if counts[i] > 0:
            print(i, counts[i])


main()
