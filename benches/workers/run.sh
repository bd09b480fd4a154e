#!/bin/sh
# Runs the three programs one after the other with a directory for their files; the first argument is the binary.
set -e
here=$(dirname "$0")
files=$(mktemp -d)
trap 'rm -r "$files"' EXIT
uptime
echo aether && "${1:-target/release/aether}" "$here/workers.ae" "$files"
echo multiprocessing && python3 "$here/workers.py" "$files"
echo worker_threads && node "$here/workers.mjs" "$files"
uptime
