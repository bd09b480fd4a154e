def matrix(n, seed):
    return [[(i * seed + j) % 7 + 0.5 for j in range(n)] for i in range(n)]

def multiply(a, b, n):
    c = []
    for i in range(n):
        row = []
        left = a[i]
        for j in range(n):
            sum = 0.0
            for k in range(n):
                sum = sum + left[k] * b[k][j]
            row.append(sum)
        c.append(row)
    return c

n = 160
c = multiply(matrix(n, 3), matrix(n, 5), n)
print(int(c[n - 1][n - 1] * 4), int(c[7][9] * 4))
