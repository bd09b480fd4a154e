import re

print(len(re.findall("ERROR", open("target/library/log.txt").read())))
