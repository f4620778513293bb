"""Writes values.json: what PyTorch computes, for the test `optimisers.rs` beside this folder.

    python make.py

Made with PyTorch 2.11 on a CPU. The warm-up schedulers are those of Dassl.pytorch (dassl/optim/lr_scheduler.py), without
their arguments that nobody uses.
"""

import json
from pathlib import Path

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, MultiStepLR, StepLR

SEED, STEPS, SHAPES = 20261129, 50, [(3, 4), (5,)]
RATES = [0.05 / (1 + step) ** 0.5 for step in range(STEPS)]

OPTIMISERS = {
    "sgd": {"optimiser": "sgd", "momentum": 0.0, "weight_decay": 0.0},
    "sgd momentum": {"optimiser": "sgd", "momentum": 0.9, "weight_decay": 5e-4},
    "sgd dampening": {"optimiser": "sgd", "momentum": 0.8, "dampening": 0.3, "weight_decay": 0.01},
    "sgd nesterov": {"optimiser": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    "adam": {"optimiser": "adam", "weight_decay": 0.0},
    "adam decay": {"optimiser": "adam", "weight_decay": 0.1, "betas": [0.8, 0.95], "eps": 1e-3},
    "adam amsgrad": {"optimiser": "adam", "weight_decay": 5e-4, "amsgrad": True},
    "adamw": {"optimiser": "adamw", "weight_decay": 0.01},
    "adamw options": {"optimiser": "adamw", "weight_decay": 0.2, "betas": [0.7, 0.99], "eps": 1e-4},
    "adamw amsgrad": {"optimiser": "adamw", "weight_decay": 0.01, "amsgrad": True},
    "sgd clipped": {"optimiser": "sgd", "momentum": 0.9, "weight_decay": 5e-4, "clip_norm": 1.5},
    "adamw clipped": {"optimiser": "adamw", "weight_decay": 0.01, "clip_norm": 3.0},
}
KINDS = {"double": torch.float64, "float": torch.float32, "half": torch.float16, "bfloat16": torch.bfloat16}


def optimiser_of(protocol, parameters):
    more = {key: protocol[key] for key in ("weight_decay", "eps", "amsgrad", "dampening", "nesterov") if key in protocol}
    if protocol["optimiser"] == "sgd":
        return torch.optim.SGD(parameters, lr=1.0, momentum=protocol["momentum"], **more)
    more["betas"] = tuple(protocol.get("betas", (0.9, 0.999)))
    kind = torch.optim.Adam if protocol["optimiser"] == "adam" else torch.optim.AdamW
    return kind(parameters, lr=1.0, **more)


def trained(protocol, start, gradients, kind):
    """The parameters after 1, 10 and all steps."""
    parameters = [torch.nn.Parameter(values.to(kind).clone()) for values in start]
    optimiser = optimiser_of(protocol, parameters)
    kept = {}
    for step, (rate, grads) in enumerate(zip(RATES, gradients), 1):
        optimiser.param_groups[0]["lr"] = rate
        for parameter, grad in zip(parameters, grads):
            parameter.grad = grad.to(kind).clone()
        if "clip_norm" in protocol:
            torch.nn.utils.clip_grad_norm_(parameters, protocol["clip_norm"])
        optimiser.step()
        if step in (1, 10, STEPS):
            kept[step] = [parameter.detach().double().flatten().tolist() for parameter in parameters]
    return kept


class BaseWarmup(LRScheduler):
    def __init__(self, optimiser, successor, warmup_epoch, last_epoch=-1):
        self.successor, self.warmup_epoch = successor, warmup_epoch
        super().__init__(optimiser, last_epoch)

    def step(self, epoch=None):
        if self.last_epoch >= self.warmup_epoch:
            self.successor.step(epoch)
            self._last_lr = self.successor.get_last_lr()
        else:
            super().step(epoch)


class ConstantWarmup(BaseWarmup):
    def __init__(self, optimiser, successor, warmup_epoch, cons_lr):
        self.cons_lr = cons_lr
        super().__init__(optimiser, successor, warmup_epoch)

    def get_lr(self):
        if self.last_epoch >= self.warmup_epoch:
            return self.successor.get_last_lr()
        return [self.cons_lr for _ in self.base_lrs]


class LinearWarmup(BaseWarmup):
    def __init__(self, optimiser, successor, warmup_epoch, min_lr):
        self.min_lr = min_lr
        super().__init__(optimiser, successor, warmup_epoch)

    def get_lr(self):
        if self.last_epoch >= self.warmup_epoch:
            return self.successor.get_last_lr()
        if self.last_epoch == 0:
            return [self.min_lr for _ in self.base_lrs]
        return [lr * self.last_epoch / self.warmup_epoch for lr in self.base_lrs]


SCHEDULES = {
    "dassl": {"schedule": "cosine", "warmup_epochs": 1, "warmup_learning_rate": 1e-5, "epochs": 50},
    "no warm-up": {"schedule": "cosine", "warmup_epochs": 0, "epochs": 20},
    "cosine by step to a minimum": {
        "schedule": "cosine",
        "schedule_unit": "step",
        "minimum_learning_rate": 1e-6,
        "warmup_epochs": 0,
        "steps": 50,
    },
    "linear warm-up": {
        "schedule": "cosine",
        "warmup": "linear",
        "warmup_epochs": 4,
        "warmup_learning_rate": 1e-5,
        "epochs": 30,
    },
    "linear warm-up by step": {
        "schedule": "cosine",
        "schedule_unit": "step",
        "warmup": "linear",
        "warmup_steps": 25,
        "warmup_learning_rate": 1e-5,
        "epochs": 20,
    },
    "steps": {"schedule": "step", "step_size": 7, "gamma": 0.3, "warmup_epochs": 0, "epochs": 40},
    "milestones": {
        "schedule": "step",
        "milestones": [3, 10, 11],
        "gamma": 0.5,
        "warmup_epochs": 2,
        "warmup_learning_rate": 1e-4,
        "epochs": 25,
    },
    "constant": {"schedule": "constant", "warmup_epochs": 3, "warmup_learning_rate": 1e-5, "epochs": 10},
}
PER_EPOCH, BASE_RATE = 3, 0.002


def rates_of(protocol):
    """The rate of every step of epochs of `PER_EPOCH` steps."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=BASE_RATE)
    by_step = protocol.get("schedule_unit") == "step"
    steps = protocol.get("steps") or protocol["epochs"] * PER_EPOCH
    length = steps if by_step else protocol["epochs"]
    if protocol["schedule"] == "cosine":
        scheduler = CosineAnnealingLR(optimiser, length, eta_min=protocol.get("minimum_learning_rate", 0.0))
    elif protocol["schedule"] == "constant":
        scheduler = StepLR(optimiser, 10**9)
    elif "step_size" in protocol:
        scheduler = StepLR(optimiser, protocol["step_size"], protocol["gamma"])
    else:
        scheduler = MultiStepLR(optimiser, protocol["milestones"], protocol["gamma"])
    warmup = protocol.get("warmup_steps") or protocol["warmup_epochs"]
    if warmup:
        kind = LinearWarmup if protocol.get("warmup") == "linear" else ConstantWarmup
        scheduler = kind(optimiser, scheduler, warmup, protocol["warmup_learning_rate"])
    rates = []
    for step in range(steps):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        if by_step or (step + 1) % PER_EPOCH == 0:
            scheduler.step()
    return rates


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    # Numbers that every type holds.
    held = lambda values: values.bfloat16().double()
    start = [held(torch.randn(shape)) for shape in SHAPES]
    gradients = [[held(torch.randn(shape)) for shape in SHAPES] for _ in range(STEPS)]
    values = {
        "seed": SEED,
        "torch": torch.__version__.split("+")[0],
        "shapes": SHAPES,
        "start": [values.flatten().tolist() for values in start],
        "gradients": [[values.flatten().tolist() for values in grads] for grads in gradients],
        "rates": RATES,
        "optimisers": [
            {
                "name": name,
                "protocol": protocol,
                **{kind_name: trained(protocol, start, gradients, kind) for kind_name, kind in KINDS.items()},
            }
            for name, protocol in OPTIMISERS.items()
        ],
        "per_epoch": PER_EPOCH,
        "base_rate": BASE_RATE,
        "schedules": [
            {"name": name, "protocol": protocol, "rates": rates_of(protocol)} for name, protocol in SCHEDULES.items()
        ],
    }
    Path(__file__).with_name("values.json").write_text(json.dumps(values, separators=(",", ":")) + "\n")


main()
