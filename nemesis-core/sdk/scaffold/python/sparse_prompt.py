"""SparsePrompt: CoOp with an L1 penalty on the context. A method to start from: change the loss, the options, the names."""

from dataclasses import dataclass

import nemesis
import torch


# Users set options with `--set sparse-prompt.alpha=0.1` or in a suite.
@dataclass
class Options(nemesis.PromptOptions):
    alpha: float = nemesis.option(0.01, "Weight of the penalty.")


class SparsePrompt:
    ABOUT = nemesis.About(
        id="sparse-prompt",
        label="SparsePrompt",
        summary="CoOp with an L1 penalty on the context",
        options=Options,
    )

    def __init__(self, task: nemesis.Task, options: Options, host: nemesis.Host) -> None:
        # Every `torch.nn.Parameter` among the attributes is trained, also those of modules such as this one.
        self.prompt = nemesis.PromptLearner(task, options, host)
        self.alpha = nemesis.norm.at_least_zero("alpha", options.alpha)

    def loss(self, batch: nemesis.Batch, host: nemesis.Host) -> torch.Tensor:
        logits = self.prompt.logits(batch.features, host)
        penalty = self.prompt.ctx.abs().mean()
        # Reported values are stored in the training's record.
        host.report("penalty", penalty)
        return nemesis.cross_entropy(logits, batch.labels, host) + self.alpha * penalty

    def logits(self, batch: nemesis.Batch, host: nemesis.Host) -> torch.Tensor:
        return self.prompt.evaluate(batch.features, host)
