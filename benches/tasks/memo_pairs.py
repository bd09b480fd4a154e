def main():
    N = 330
    memo = {}
    for i in range(N):
        row = {}
        memo[i] = row
        for j in range(N):
            cost = (i * 7 + j * 13) % 23
            if i == 0 and j == 0:
                row[j] = cost
            elif i == 0:
                row[j] = cost + row[j - 1]
            elif j == 0:
                row[j] = cost + memo[i - 1][j]
            else:
                above = memo[i - 1][j]
                left = row[j - 1]
                row[j] = cost + (above if above < left else left)
    print(memo[N - 1][N - 1])
    seen = {}
    steps = 0
    for i in range(150000):
        key = str(i * 31 % 400) + "," + str(i * 17 % 300)
        if key in seen:
            steps += seen[key]
        else:
            seen[key] = i % 10
    print(steps)
    print(len(seen))

main()
