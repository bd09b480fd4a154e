import os

count = 0
for directory, names, files in os.walk("target/library/tree"):
    names.sort()
    files.sort()
    for name in names:
        os.path.join(directory, name)
        count += 1
    for name in files:
        os.path.join(directory, name)
        count += 1
print(count)
