# The table that both scripts have computed, and what must hold of it. Sourced, with `nemesis`, the folder as working directory,
# and `short` as the first argument for a smaller table.

say() { printf '== %s\n' "$*" >&2; }
fail() { say "FAILED: $*"; exit 1; }

what=(--datasets dtd,eurosat --methods coop,nemesis-pen,nemesis-pan --jobs 1)
if [ "${1:-}" = short ]; then
    what+=(--shots 1,2 --seeds 1-2)
    cells=50
else
    what+=(--shots 1,2,4 --seeds 1-3)
    cells=110
fi

records() { find out/records -name '*.json' 2>/dev/null | wc -l; }
wait_for() { for _ in $(seq 1200); do [ "$(records)" -ge "$1" ] && return; sleep 0.1; done; fail "$1 records do not come"; }

# Computes it alone, and lends its pictures to the runs that follow.
undisturbed() {
    say "the table, undisturbed"
    "$nemesis" run "${what[@]}" --out alone >alone.txt 2>alone.log || fail "the undisturbed run"
    mkdir -p out && cp -r alone/mini out/mini
}

# Computes what is left, if anything is, and compares.
same_table() {
    "$nemesis" run "${what[@]}" --out out >out.txt 2>out.log || fail "the last run"
    grep "cells computed" out.log >&2
    cmp alone.txt out.txt || fail "the tables differ"
    for file in alone/*.json; do cmp "$file" "out/$(basename "$file")" || fail "$file differs"; done
    [ "$(records)" = "$cells" ] || fail "$(records) records"
    say "the same table; $(records) records"
}
