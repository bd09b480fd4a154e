seed = 42
def below(n):
    global seed
    seed = (seed * 16807) % 2147483647
    return seed % n

def main():
    N = 60000
    graph = {}
    for i in range(N):
        graph[i] = []
    for i in range(N * 3):
        a = below(N)
        b = below(N)
        graph[a].append(b)
        graph[b].append(a)
    for start in [0, 1, 2, 3, 4]:
        distance = {}
        distance[start] = 0
        queue = [start]
        head = 0
        while head < len(queue):
            node = queue[head]
            head += 1
            next = distance[node] + 1
            for other in graph[node]:
                if other not in distance:
                    distance[other] = next
                    queue.append(other)
        sum = 0
        for node in queue:
            sum += distance[node] * (node % 7)
        print(str(len(queue)) + " " + str(sum))

main()
