# Submits runs to a HyperQueue server with its Python package, where the program `hq` is missing.
import datetime
import json
import os
import sys

from hyperqueue import Client, Job
from hyperqueue.ffi.protocol import ResourceRequest

wanted = json.load(sys.stdin)
command = wanted["command"]
if wanted["cpus"]:
    # What `--pin=taskset` is to the program. The package has no word for it, but tasks are told their cores.
    command = ["sh", "-c", 'exec ${HQ_CPUS:+taskset -c "$HQ_CPUS"} "$@"', "sh", *command]
job = Job(default_workdir=wanted["cwd"], max_fails=None, name=wanted["name"])
for task in range(1, wanted["tasks"] + 1):
    resources = {"gpus/nvidia": wanted["gpus"], "mem": wanted["memory"]}
    resources = {name: amount for name, amount in resources.items() if amount}
    seconds = wanted["seconds"]
    request = ResourceRequest(
        cpus=wanted["cpus"] or 1,
        resources=resources,
        min_time=datetime.timedelta(seconds=seconds) if seconds else None,
    )
    job.program(
        command,
        stdout=f"{wanted['logs']}/hq-%{{JOB_ID}}_{task}.out",
        stderr=f"{wanted['logs']}/hq-%{{JOB_ID}}_{task}.log",
        resources=request,
    )
print(Client(os.environ.get("HQ_SERVER_DIR")).submit(job).id)
