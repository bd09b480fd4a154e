# A heap grows to n instances and n arrays; nothing is garbage.
import math
import sys
import time


class Node:
    __slots__ = ("id", "next", "data")

    def __init__(self, id, next, data):
        self.id = id
        self.next = next
        self.data = data


def main():
    n = int(sys.argv[1])
    counts = [0] * 640
    seed = 1
    objects = []
    arrays = []
    last = time.perf_counter()
    for turn in range(n):
        objects.append(Node(turn, None, None))
        arrays.append([turn])
        now = time.perf_counter()
        counts[int(math.log((now - last) * 1000000000.0 + 1.0) * 23.083120654223414)] += 1
        last = now
    for i in range(len(counts)):
        if counts[i] > 0:
            print(i, counts[i])


main()
