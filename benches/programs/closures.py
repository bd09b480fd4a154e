def adder(step):
    total = 0
    def add(x):
        nonlocal total
        total = total + step * x
        return total
    return add

functions = [adder(i) for i in range(10)]
last = 0
for round in range(300000):
    for f in functions:
        last = f(round)
print(last)
