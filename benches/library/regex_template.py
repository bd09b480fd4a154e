import re

print(len(re.sub(r"(\d+)-(\d+)-(\d+)T", r"\3.\2.\1 ", open("target/library/log.txt").read())))
