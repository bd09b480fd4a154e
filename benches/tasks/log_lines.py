seed = 42
def below(n):
    global seed
    seed = (seed * 16807) % 2147483647
    return seed % n

def main():
    levels = ["DEBUG", "INFO", "INFO", "INFO", "WARN", "ERROR"]
    lines = []
    for i in range(200000):
        lines.append("2026-01-" + str(10 + below(20)) + " " + levels[below(6)] + " service" + str(below(40)) + " took " + str(below(5000)) + " ms")
    text = "\n".join(lines)
    lines = None
    found = {}
    for line in text.split("\n"):
        parts = line.split(" ")
        if parts[1] == "ERROR" or parts[1] == "WARN":
            name = parts[2]
            if name in found:
                entry = found[name]
                entry["count"] += 1
                entry["millis"] += int(parts[4])
            else:
                found[name] = {"count": 1, "millis": int(parts[4])}
    for name in sorted(found.keys()):
        print(name + " " + str(found[name]["count"]) + " " + str(found[name]["millis"]))

main()
