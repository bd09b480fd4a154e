seed = 42
def below(n):
    global seed
    seed = (seed * 16807) % 2147483647
    return seed % n

def main():
    syllables = ["ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu", "va"]
    words = []
    for i in range(400000):
        word = syllables[below(16)] + syllables[below(13)]
        if below(5) < 3:
            word += syllables[below(11)]
        words.append(word)
    text = " ".join(words)
    words = None
    counts = {}
    for word in text.split(" "):
        counts[word] = counts.get(word, 0) + 1
    pairs = []
    for word, count in counts.items():
        pairs.append([0 - count, word])
    for pair in sorted(pairs)[0:10]:
        print(pair[1] + " " + str(0 - pair[0]))
    print(len(counts))

main()
