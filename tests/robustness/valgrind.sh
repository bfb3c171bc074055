#!/bin/sh
# A slow campaign, not part of the suite: the C part under valgrind, with one Python.
#
#   tests/robustness/valgrind.sh [python]
#
# No suppressions: with the system's allocator CPython makes no errors of its own, but for 3.11,
# whose small integers look uninitialised, and it loses memory at its end (interned strings). So
# what counts is every invalid access, and whatever else names `_native` among its inner frames.
set -eu
python=${1:-python3}
here=$(cd "$(dirname "$0")" && pwd)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

PYTHONMALLOC=malloc PYTHONHASHSEED=0 valgrind --log-file="$log" --num-callers=25 --fair-sched=yes \
    --errors-for-leak-kinds=none --leak-check=full --show-leak-kinds=definite,indirect \
    "$python" -W ignore "$here/valgrind_program.py"

grep 'ERROR SUMMARY' "$log"
ours=$(awk '/Invalid |ninitialised|lost in loss record|free\(\)/ {record = $0; frame = 0}
            /Invalid |Mismatched free/ {print}
            /(at|by) 0x/ && ++frame <= 5 && /_native/ {print record; print $0}' "$log")
if [ -n "$ours" ]; then
    echo "$ours"
    exit 1
fi
echo "no invalid access, and nothing by _native"
