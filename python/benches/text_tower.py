"""CoOp's training step with its own text tower and with `nemesis.TextTower`: time, peak memory, and the losses of both.

    python benches/text_tower.py [--classes 100 397] [--steps 3] [--threads 2] [--reference coop_reference.py]

Each side runs in a process of its own, in turn. The step is CoOp's on given image features: text features of all classes,
cross-entropy, backward, SGD. The tower has the size of RN50's: 12 layers, width 512. With `--reference`, their side is that
script (one step as the paper's authors compute it, with OpenAI's `clip`), of which only the function `text` is replaced.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

TOWER = """\
import nemesis as _nemesis
_tower = _nemesis.TextTower(m, names, a.n_ctx)
def text(c):
    return _tower(c)
"""


def step_of_reference(arguments: argparse.Namespace) -> None:
    """Runs the reference, with our tower in place of its function `text` if that is asked for."""
    source = Path(arguments.reference).read_text()
    if arguments.side == "nemesis":
        start = source.index("def text(c):")
        end = source.index("\ndef ", start)
        source = source[:start] + TOWER + source[end:]
    sys.argv = [
        arguments.reference, "--image", "features", "--classes", str(arguments.classes[0]),
        "--steps", str(arguments.steps), "--threads", str(arguments.threads),
    ]  # fmt: skip
    exec(compile(source, arguments.reference, "exec"), {"__name__": "__main__"})


def step(arguments: argparse.Namespace) -> None:
    """Times CoOp's steps with one of the two towers."""
    import random

    import torch
    from torch.nn.functional import cross_entropy

    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    import nemesis
    from plain import Clip, coop_features

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    random.seed(0)
    clip = Clip(512, 12, 1024)
    words = [
        "tabby",
        "cat",
        "great",
        "white",
        "shark",
        "golden",
        "retriever",
        "school",
        "bus",
        "hot",
        "air",
        "balloon",
        "warplane",
        "mushroom",
    ]
    names = [" ".join(random.sample(words, random.choice([1, 2, 2, 3]))) for _ in range(arguments.classes[0])]
    ctx = (torch.randn(16, 512) * 0.02).requires_grad_()
    features, labels = torch.randn(32, 1024), torch.randint(0, len(names), (32,))
    tower = nemesis.TextTower(clip, names)
    tokens = [of_class for of_class, _ in tower.tokens()]

    def features_of(ctx: torch.Tensor) -> torch.Tensor:
        return tower(ctx) if arguments.side == "nemesis" else coop_features(clip, tokens, ctx)

    optimiser = torch.optim.SGD([ctx], lr=0.002, momentum=0.9, weight_decay=5e-4)
    times, busy, losses = [], [], []
    for _ in range(arguments.steps):
        started, before = time.perf_counter(), time.process_time()
        text = features_of(ctx)
        image = features / features.norm(dim=-1, keepdim=True)
        loss = cross_entropy(100 * image @ (text / text.norm(dim=-1, keepdim=True)).t(), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        times.append(time.perf_counter() - started)
        busy.append(time.process_time() - before)
        losses.append(loss.item())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    result = {"seconds_per_step": statistics.median(times), "peak_rss_bytes": peak, "losses": losses}
    print(json.dumps({**result, "cpu_seconds_per_step": statistics.median(busy)}))


def measured(arguments: argparse.Namespace, side: str, classes: int) -> dict[str, object]:
    command = [sys.executable, __file__, "--side", side, "--classes", str(classes), "--steps", str(arguments.steps)]
    command += ["--threads", str(arguments.threads)]
    if arguments.reference:
        command += ["--reference", arguments.reference]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, nargs="+", default=[100, 397])
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--reference", help="coop_reference.py")
    parser.add_argument("--side", choices=["theirs", "nemesis"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        (step_of_reference if arguments.reference else step)(arguments)
        return
    print("classes  side     s a step  peak GB  losses")
    for classes in arguments.classes:
        sides = {side: measured(arguments, side, classes) for side in ("theirs", "nemesis")}
        for side, result in sides.items():
            losses = result["losses"]
            assert isinstance(losses, list)
            peak = float(str(result["peak_rss_bytes"])) / 1e9
            told = f"{classes:7}  {side:7}  {result['seconds_per_step']:8.3f}  {peak:7.2f}"
            print(f"{told}  {losses[0]:.9f} … {losses[-1]:.9f}", flush=True)
        theirs, ours = sides["theirs"], sides["nemesis"]
        apart = max(abs(a - b) / abs(a) for a, b in zip(theirs["losses"], ours["losses"]))  # type: ignore[call-overload]
        faster = float(str(theirs["seconds_per_step"])) / float(str(ours["seconds_per_step"]))
        smaller = float(str(theirs["peak_rss_bytes"])) / float(str(ours["peak_rss_bytes"]))
        print(
            f"         {faster:.1f}× as fast, 1/{smaller:.1f} of the peak memory, losses differ by {apart:.1e}",
            flush=True,
        )
        if "cpu_seconds_per_step" in ours:
            # Says more than the time does on a machine that has other work.
            spent = [float(str(side["cpu_seconds_per_step"])) for side in (theirs, ours)]
            print(
                f"         CPU time of a step: {spent[0]:.2f} s and {spent[1]:.2f} s, {spent[0] / spent[1]:.1f}×",
                flush=True,
            )


if __name__ == "__main__":
    main()
