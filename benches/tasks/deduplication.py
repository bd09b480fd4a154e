seed = 42
def below(n):
    global seed
    seed = (seed * 16807) % 2147483647
    return seed % n

def unique(items):
    seen = set()
    out = []
    for item in items:
        if item not in seen:
            seen.add(item)
            out.append(item)
    return out

def main():
    numbers = []
    names = []
    for i in range(300000):
        numbers.append(below(50000))
        names.append("name" + str(below(20000)))
    a = unique(numbers)
    b = unique(names)
    print(str(len(a)) + " " + str(a[len(a) - 1]))
    print(str(len(b)) + " " + b[len(b) - 1])
    first = set(numbers[0:60000])
    second = set(numbers[100000:160000])
    print(str(len(first.intersection(second))) + " " + str(len(first.union(second))))

main()
