seed = 42
def below(n):
    global seed
    seed = (seed * 16807) % 2147483647
    return seed % n

def main():
    lines = []
    for i in range(300000):
        lines.append("line " + str(below(1000000)) + " of the text, with words " + str(below(100)))
    text = "\n".join(lines)
    lines = None
    parts = text.split("\n")
    parts.sort()
    out = "\n".join(parts).replace("words", "terms").replace("line", "row")
    print(len(out))
    print(out[0:40])
    print(out[len(out) - 40:len(out)])

main()
