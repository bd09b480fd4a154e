#!/bin/sh
# Runs the programs one after the other with a directory for their files; the first argument is the binary.
set -e
here=$(dirname "$0")
files=$(mktemp -d)
trap 'rm -r "$files"' EXIT
uptime
echo aether && "${1:-target/release/aether}" "$here/workers.ae" "$files"
"${1:-target/release/aether}" "$here/crowd.ae"
echo multiprocessing && python3 "$here/workers.py" "$files"
echo worker_threads && node "$here/workers.mjs" "$files"
for lua in lua5.4 luajit; do
    if "$lua" -e 'require "cqueues"; require "cjson"' 2>/dev/null; then
        echo "cqueues in $lua" && "$lua" "$here/workers.lua" "$files"
    else
        echo "no cqueues in $lua: apt-get install $lua lua-cqueues lua-cjson"
    fi
done
uptime
