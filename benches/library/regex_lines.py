import re

wanted = re.compile(r"^\S+ ERROR .*status=500")
count = 0
for line in open("target/library/log.txt"):
    if wanted.search(line):
        count += 1
print(count)
