# Cyclic pairs are made and dropped while n instances and n arrays are alive, one of which is replaced in every
# seventh turn.
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
    for i in range(n):
        objects.append(Node(i, None, None))
        arrays.append([i])
    last = time.perf_counter()
    for turn in range(3000000):
        a = Node(turn, None, None)
        b = Node(turn, a, None)
        a.next = b
        if turn % 7 == 0:
            seed = (seed * 1103515245 + 12345) % 2147483648
            objects[seed % n] = a
        now = time.perf_counter()
        counts[int(math.log((now - last) * 1000000000.0 + 1.0) * 23.083120654223414)] += 1
        last = now
    for i in range(len(counts)):
        if counts[i] > 0:
            print(i, counts[i])


main()
