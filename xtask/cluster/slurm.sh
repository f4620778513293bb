#!/usr/bin/env bash
# A Slurm of two nodes on this machine, and a table computed on it while elements are requeued, cancelled and lost.
#
#   xtask/cluster/slurm.sh target/debug/nemesis [short]
#
# Needs root, and Debian's packages slurm-wlm and munge, which it installs if they are missing and apt-get is there. There
# is no systemd, no accounting and no cgroup. Everything lies in one temporary folder, and ends with this script.
set -euo pipefail
nemesis=$(realpath "${1:?the program nemesis}")

. "$(dirname "$(realpath "$0")")/table.sh" "${2:-}"

if ! command -v slurmctld >/dev/null || ! command -v slurmd >/dev/null || ! command -v munged >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends slurm-wlm munge
fi
[ "$(id -u)" = 0 ] || fail "slurmd has to be started by root"

folder=$(mktemp -d)
chmod 755 "$folder"
# From here on no command reaches a Slurm that this machine may belong to. As long as there is no such file, all of them fail.
export SLURM_CONF="$folder/slurm.conf"
started=()
finish() {
    status=$?
    if [ -e "$SLURM_CONF" ]; then scancel --full --user "$(id -un)" >/dev/null 2>&1 || true; fi
    # munged is not ours but runuser's, and would outlive it.
    kill "$(cat "$folder/run/pid" 2>/dev/null)" 2>/dev/null || true
    for process in "${started[@]}"; do kill -9 "$process" 2>/dev/null || true; done
    if [ $status != 0 ]; then tail -n 15 "$folder"/log/* "$folder"/*.log "$folder"/out/logs/* >&2 2>/dev/null || true; fi
    rm -rf "$folder"
}
trap finish EXIT
mkdir -p "$folder"/{run,state,log,spool-n1,spool-n2}

# munged insists on folders that nobody else can write to.
chmod 700 "$folder/run"
dd if=/dev/urandom of="$folder/run/key" bs=1024 count=1 status=none
chmod 600 "$folder/run/key"
chown -R munge: "$folder/run" 2>/dev/null || true
chmod 711 "$folder/run"
runuser -u munge -- munged --foreground --force --key-file="$folder/run/key" --socket="$folder/run/socket" \
    --pid-file="$folder/run/pid" --log-file="$folder/run/log" --seed-file="$folder/run/seed" >/dev/null 2>&1 &
started+=($!)

host=$(hostname -s)
cat >"$SLURM_CONF" <<CONF
ClusterName=nemesis
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
AuthType=auth/munge
AuthInfo=socket=$folder/run/socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool-%n
SlurmctldPidFile=$folder/log/ctld.pid
SlurmdPidFile=$folder/log/%n.pid
SlurmctldLogFile=$folder/log/ctld.log
SlurmdLogFile=$folder/log/%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
KillWait=10
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobCompType=jobcomp/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=16821 CPUs=2 State=UNKNOWN
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=16822 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
CONF
for _ in $(seq 100); do [ -S "$folder/run/socket" ] && break; sleep 0.1; done
slurmctld -D -f "$SLURM_CONF" >/dev/null 2>&1 &
started+=($!)
declare -A node
for name in n1 n2; do
    slurmd -D -N "$name" -f "$SLURM_CONF" >/dev/null 2>&1 &
    started+=($!)
    node[$name]=$!
done
for _ in $(seq 100); do [ "$(sinfo --noheader --format %D --states idle 2>/dev/null | head -n 1)" = 2 ] && break; sleep 0.3; done
sinfo >&2
[ "$(sinfo --noheader --format %D --states idle | head -n 1)" = 2 ] || fail "the nodes do not come up"

cd "$folder"
undisturbed

say "an array of four"
start=$(date +%s)
"$nemesis" submit slurm --tasks 4 --cpus 1 --time 30 -- "${what[@]}" --out out
job=$(squeue --noheader --format %F | head -n 1)
wait_for 8
running() { squeue --noheader --array --states running --format %K --jobs "$job" | grep --count --line-regexp '[12]'; }
for _ in $(seq 300); do [ "$(running)" = 2 ] && break; sleep 0.1; done
[ "$(running)" = 2 ] || fail "elements 1 and 2 do not run together within 30 seconds"
"$nemesis" status --out out >&2
say "element 1 is requeued, element 2 is cancelled, at $(records) of $cells records"
scontrol requeue "${job}_1"
scancel "${job}_2"
wait_for 16
say "a second submit, and the daemon of node n2 is killed, at $(records) records"
"$nemesis" submit slurm --tasks 2 --cpus 1 --time 30 -- "${what[@]}" --out out
kill -9 "${node[n2]}"
wait_for $cells
say "all $cells records after $(($(date +%s) - start)) s"
squeue >&2
"$nemesis" status --out out >&2
"$nemesis" cancel --out out >&2
same_table
computed=$(cat out/logs/*.log out.log | awk '/^[0-9]+ cells computed/ { sum += $1 } END { print sum + 0 }')
say "runs that ended by themselves computed $computed cells"
