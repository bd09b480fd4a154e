import heapq

seed = 42
def below(n):
    global seed
    seed = (seed * 16807) % 2147483647
    return seed % n

def main():
    queue = []
    for i in range(20000):
        heapq.heappush(queue, [below(100000), i])
    sum = 0
    number = 20000
    for i in range(150000):
        task = heapq.heappop(queue)
        sum = (sum * 31 + task[0] + task[1]) % 1000003
        heapq.heappush(queue, [task[0] + below(5000), number])
        number += 1
    print(sum)
    print(len(queue))

main()
