syllables = ["ka", "lo", "mi", "ne", "ru", "sa", "to"]
counts = {}
state = 1
for i in range(300000):
    state = (state * 1103 + 12345) % 65521
    word = syllables[state % 7] + syllables[state // 7 % 7] + syllables[state // 49 % 7]
    counts[word] = counts.get(word, 0) + 1
most = 0
for word in counts:
    if counts[word] > most:
        most = counts[word]
print(len(counts), most)
