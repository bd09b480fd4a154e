import re

total = 0
for m in re.finditer(r"status=(\d+) took=(\d+)ms", open("target/library/log.txt").read()):
    total += int(m.group(2))
print(total)
