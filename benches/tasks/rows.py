seed = 42
def below(n):
    global seed
    seed = (seed * 16807) % 2147483647
    return seed % n

def main():
    rows = []
    for i in range(120000):
        rows.append({"id": i, "x": below(1000), "y": below(1000), "kind": "k" + str(below(8)), "done": False})
    for round in range(5):
        for row in rows:
            row["x"] = (row["x"] + row["y"]) % 1000
            if row["x"] > 900:
                row["done"] = True
    kept = [row for row in rows if row["done"]]
    points = [{"x": row["x"], "y": row["y"]} for row in kept]
    sum = 0
    for point in points:
        sum += point["x"] * point["y"]
    kinds = {}
    for row in kept:
        kind, y = row["kind"], row["y"]
        kinds[kind] = kinds.get(kind, 0) + y
    print(str(len(kept)) + " " + str(sum))
    for kind in sorted(kinds):
        print(kind + " " + str(kinds[kind]))

main()
