# `csv_data.py FILE read|parse|write`: the text, then the rows, then the text again.
import csv, io, os, sys
text = open(sys.argv[1], encoding="utf-8", newline="").read()
if sys.argv[2] != "read":
    rows = list(csv.reader(io.StringIO(text, newline="")))
    if sys.argv[2] == "write":
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerows(rows)
        print(len(out.getvalue()) > 0, flush=True)
# Without taking the values apart: Aether does not either.
os._exit(0)
