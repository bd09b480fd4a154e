# `json_data.py FILE read|parse|write`: the text, then the value, then the text again.
import json, os, sys
text = open(sys.argv[1], encoding="utf-8").read()
if sys.argv[2] != "read":
    value = json.loads(text)
    if sys.argv[2] == "write":
        print(len(json.dumps(value, ensure_ascii=False, separators=(",", ":"))) > 0, flush=True)
# Without taking the values apart: Aether does not either.
os._exit(0)
