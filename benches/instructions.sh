#!/bin/sh
# benches/instructions.sh PILOTLIGHT PILOTLIGHT-BOOT: how many instructions the programs need for what every boot and
# every user waits for, and whether that is within the budget. valgrind counts them: the same on a busy machine as on an
# idle one, so that a test may hold the programs to them. (The stages themselves cannot be counted so: valgrind of
# Debian 12 knows no openat2(2).)
#
# Budgets are what was counted when they were set and a seventh, for processors differ in what the C library picks for
# them. Who needs more says in the commit what for, and sets the budget anew.
set -eu
pilotlight=$(realpath "$1")
boot=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ln -s "$boot" "$work/ignition"
code=0

# counted NAME BUDGET PROGRAM ARGUMENT...
counted() {
    name=$1 budget=$2
    shift 2
    if ! valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" >"$work/out" 2>"$work/said"; then
        cat "$work/out" "$work/said" >&2
        echo "instructions, $name: the program failed" >&2
        exit 1
    fi
    count=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$work/said")
    printf 'instructions: %-24s %10s, budget %10s\n' "$name" "$count" "$budget"
    [ "$count" -le "$budget" ] || code=1
}

awk 'BEGIN {
    printf "{ \"ignition\": { \"version\": \"3.3.0\" }, \"storage\": { \"files\": ["
    for (n = 0; n < 1000; n++)
        printf "%s\n{ \"path\": \"/srv/%d/%d\", \"mode\": 420, \"contents\": { \"source\": \"data:,file%%20%d\" } }",
            n ? "," : "", n / 100, n, n
    print "] } }"
}' >"$work/config.ign"

counted "start of a stage" 540000 "$work/ignition" -version
counted "validate 1,000 files" 83000000 "$pilotlight" validate "$work/config.ign"
counted "plan 1,000 files" 378000000 "$pilotlight" plan "$work/config.ign"
exit $code
