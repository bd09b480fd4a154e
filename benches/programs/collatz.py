def steps(n):
    count = 0
    while n != 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        count += 1
    return count

best = 0
start = 0
for n in range(1, 100000):
    count = steps(n)
    if count > best:
        best = count
        start = n
print(start, best)
