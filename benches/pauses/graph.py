# A graph of n nodes with three edges each, one of which is moved in each turn; in every fifth turn a node is
# replaced by a new one, and goes when no edge leads to it, or with what it is connected to.
import math
import sys
import time


class Node:
    __slots__ = ("a", "b", "c")

    def __init__(self, a, b, c):
        self.a = a
        self.b = b
        self.c = c


def main():
    n = int(sys.argv[1])
    counts = [0] * 640
    seed = 1
    nodes = []
    for i in range(n):
        nodes.append(Node(None, None, None))
    for node in nodes:
        seed = (seed * 1103515245 + 12345) % 2147483648
        node.a = nodes[seed % n]
        seed = (seed * 1103515245 + 12345) % 2147483648
        node.b = nodes[seed % n]
        node.c = node
    last = time.perf_counter()
    for turn in range(3000000):
        seed = (seed * 1103515245 + 12345) % 2147483648
        source = nodes[seed % n]
        seed = (seed * 1103515245 + 12345) % 2147483648
        if turn % 5 == 0:
            nodes[seed % n] = Node(source, nodes[seed % n], None)
        elif turn % 2 == 0:
            source.a = nodes[seed % n]
        else:
            source.b = nodes[seed % n]
        now = time.perf_counter()
        counts[int(math.log((now - last) * 1000000000.0 + 1.0) * 23.083120654223414)] += 1
        last = now
    for i in range(len(counts)):
        if counts[i] > 0:
            print(i, counts[i])


main()
