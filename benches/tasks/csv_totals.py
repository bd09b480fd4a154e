import csv, io

seed = 42
def below(n):
    global seed
    seed = (seed * 16807) % 2147483647
    return seed % n

def main():
    lines = ["date,category,units,price"]
    for i in range(150000):
        lines.append("2026-02-" + str(10 + below(18)) + ",category" + str(below(30)) + "," + str(1 + below(20)) + "," + str(below(10000)))
    text = "\n".join(lines)
    lines = None
    rows = list(csv.reader(io.StringIO(text)))
    header = rows[0]
    totals = {}
    for i in range(1, len(rows)):
        row = {}
        fields = rows[i]
        for c in range(len(header)):
            row[header[c]] = fields[c]
        name = row["category"]
        amount = int(row["units"]) * int(row["price"])
        totals[name] = totals.get(name, 0) + amount
    for name in sorted(totals):
        print(name + " " + str(totals[name]))

main()
