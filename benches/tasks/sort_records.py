import functools

seed = 42
def below(n):
    global seed
    seed = (seed * 16807) % 2147483647
    return seed % n

def main():
    records = []
    for i in range(150000):
        records.append({"id": i, "age": below(90), "name": "name" + str(below(1000000))})
    by_age = records[:]
    by_age.sort(key=functools.cmp_to_key(lambda p, q: p["age"] - q["age"]))
    by_name = sorted(records, key=lambda record: record["name"])
    sum = 0
    for i in range(len(records)):
        sum = (sum * 31 + by_age[i]["id"] + by_name[i]["id"] * 3) % 1000003
    print(sum)
    print(by_name[0]["name"])
    print(by_age[len(by_age) - 1]["id"])

main()
