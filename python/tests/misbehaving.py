"""A method that does what its option `misdeed` says."""

import os
import sys
import time
from dataclasses import dataclass
from typing import Literal

import nemesis
import torch


@dataclass
class Options(nemesis.PromptOptions):
    misdeed: Literal["none", "raise", "raise-in-init", "exit", "sys-exit", "hang", "print"] = nemesis.option(
        "none", "What it does."
    )


class Misbehaving:
    ABOUT = nemesis.About(id="misbehaving", label="Misbehaving", summary="For a test", options=Options)

    def __init__(self, task: nemesis.Task, options: Options, host: nemesis.Host) -> None:
        self.prompt = nemesis.PromptLearner(task, options, host)
        self.misdeed = options.misdeed
        if self.misdeed == "raise-in-init":
            raise KeyError("at the start")

    def loss(self, batch: nemesis.Batch, host: nemesis.Host) -> torch.Tensor:
        if batch.step == 2:
            self.misbehave()
        return nemesis.cross_entropy(self.prompt.logits(batch.features, host), batch.labels, host)

    def misbehave(self) -> None:
        if self.misdeed == "raise":
            raise ValueError("in the middle")
        if self.misdeed == "exit":
            os._exit(3)
        if self.misdeed == "sys-exit":
            sys.exit("enough")
        if self.misdeed == "hang":
            while True:
                time.sleep(1)
        if self.misdeed == "print":
            print('"not a message"', flush=True)

    def logits(self, batch: nemesis.Batch, host: nemesis.Host) -> torch.Tensor:
        return self.prompt.evaluate(batch.features, host)
