# n sessions are open; each turn serves a request through three async functions, and every third one opens a session
# in the place of another. Request and answer refer to each other.
import asyncio
import math
import sys
import time


class Request:
    __slots__ = ("id", "answer", "session")

    def __init__(self, id):
        self.id = id
        self.answer = None
        self.session = None


class Answer:
    __slots__ = ("request", "text")

    def __init__(self, request, text):
        self.request = request
        self.text = text


sessions = []


async def load(request):
    return sessions[request.id % len(sessions)]


async def answer(request):
    request.session = await asyncio.ensure_future(load(request))
    return Answer(request, "answer " + str(request.id))


async def serve(id):
    request = Request(id)
    request.answer = await asyncio.ensure_future(answer(request))
    return request


async def main():
    n = int(sys.argv[1])
    counts = [0] * 640
    seed = 1
    for i in range(n):
        sessions.append([i])
    last = time.perf_counter()
    for turn in range(1000000):
        seed = (seed * 1103515245 + 12345) % 2147483648
        request = await asyncio.ensure_future(serve(seed))
        if turn % 3 == 0:
            sessions[seed % n] = [request]
        now = time.perf_counter()
        counts[int(math.log((now - last) * 1000000000.0 + 1.0) * 23.083120654223414)] += 1
        last = now
    for i in range(len(counts)):
        if counts[i] > 0:
            print(i, counts[i])


asyncio.run(main())
