#!/bin/sh
# A slow campaign, not part of the suite: the C part under valgrind, with one Python.
#
#   tests/robustness/valgrind.sh [python]
#
# No suppressions: with the system's allocator CPython itself makes no errors. It does lose memory
# at its end (interned strings), so a lost block counts only if `_native` asked for it.
set -eu
python=${1:-python3}
here=$(cd "$(dirname "$0")" && pwd)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

status=0
PYTHONMALLOC=malloc PYTHONHASHSEED=0 valgrind --log-file="$log" --num-callers=25 --fair-sched=yes \
    --error-exitcode=9 --errors-for-leak-kinds=none \
    --leak-check=full --show-leak-kinds=definite,indirect \
    "$python" -W ignore "$here/valgrind_program.py" || status=$?

if [ "$status" -ne 0 ]; then
    cat "$log"
    echo "failed with code $status (9: valgrind found errors)"
    exit "$status"
fi
grep 'ERROR SUMMARY' "$log"
lost=$(awk '/lost in loss record/ {block = $0; frame = 0}
            /(at|by) 0x/ && ++frame <= 5 && /_native/ {print block; print $0}' "$log")
if [ -n "$lost" ]; then
    echo "$lost"
    echo "lost by _native"
    exit 1
fi
echo "nothing lost by _native"
