import re

print(len(re.split(" +", open("target/library/log.txt").read())))
