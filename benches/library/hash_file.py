import hashlib

print(hashlib.file_digest(open("target/library/large.bin", "rb"), "sha256").hexdigest())
