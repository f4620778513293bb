#!/usr/bin/env bash
# A HyperQueue of two workers on this machine, and a table computed on it while runs and workers are lost.
#
#   xtask/cluster/hq.sh target/debug/nemesis [short]
#
# HyperQueue comes from PyPI, into a virtual environment of its own. That package has no program `hq`, and keeps its workers in
# one process with the server, so that both are killed together. Everything lies in one temporary folder, and ends with this
# script.
set -euo pipefail
nemesis=$(realpath "${1:?the program nemesis}")

. "$(dirname "$(realpath "$0")")/table.sh" "${2:-}"

folder=$(mktemp -d)
started=()
finish() {
    status=$?
    "$nemesis" cancel --out "$folder/out" >/dev/null 2>&1 || true
    for process in "${started[@]}"; do kill -9 "$process" 2>/dev/null || true; done
    if [ $status != 0 ]; then tail -n 15 "$folder"/*.log "$folder"/out/logs/* >&2 2>/dev/null || true; fi
    rm -rf "$folder"
}
trap finish EXIT

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check hyperqueue==0.27.0
export PATH="$folder/venv/bin:$PATH"
cd "$folder"

# Starts a server with two workers of one core each.
cluster() {
    rm -f "$1.up"
    export HQ_SERVER_DIR="$folder/$1"
    python3 - "$1" >"$1.log" 2>&1 <<'PYTHON' &
import pathlib
import sys
import time

from hyperqueue import LocalCluster
from hyperqueue.cluster import WorkerConfig

name = sys.argv[1]
pathlib.Path(name).mkdir()
with LocalCluster(str(pathlib.Path(name).resolve()), WorkerConfig(cores=1)) as cluster:
    cluster.start_worker(WorkerConfig(cores=1))
    pathlib.Path(name + ".up").touch()
    time.sleep(3600)
PYTHON
    server=$!
    started+=("$server")
    for _ in $(seq 100); do [ -e "$1.up" ] && return; sleep 0.1; done
    fail "HyperQueue does not come up"
}

undisturbed
# The processes of runs in a state of the leases, the oldest first.
runs() { "$nemesis" status --json --out out | python3 -c \
    'import json, sys; [print(run["process"]) for run in json.load(sys.stdin)["runs"] if not run["lost"]]'; }

cluster first
say "an array of four on two workers"
# Without --cpus, which would pin both workers' runs to the first core, as each worker calls its only one.
start=$(date +%s)
"$nemesis" submit hq --tasks 4 -- "${what[@]}" --out out
wait_for 8
"$nemesis" status --out out >&2
say "a run is killed, at $(records) of $cells records"
kill -9 "$(runs | head -n 1)"
wait_for 16
say "server and workers are killed, at $(records) records"
kill -9 "$server"
wait "$server" 2>/dev/null || true
say "a second server, and a second submit"
cluster second
"$nemesis" submit hq --tasks 2 -- "${what[@]}" --out out
wait_for $cells
say "all $cells records after $(($(date +%s) - start)) s"
same_table
