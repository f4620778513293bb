"""KgCoOp: CoOp kept close to what CLIP already knows, by penalising the distance of its text features from those of a
hand-written prompt (Yao et al., CVPR 2023; `trainers/kgcoop.py` of its code)."""

from dataclasses import dataclass

import nemesis
import torch


@dataclass
class Options(nemesis.PromptOptions):
    weight: float = nemesis.option(8.0, "Weight of the distance from the hand-written prompt (the paper's λ).")


class KgCoOp:
    ABOUT = nemesis.About(
        id="kg-coop-py",
        label="KgCoOp (Python)",
        summary="CoOp kept close to the features of a hand-written prompt",
        paper="Yao et al., Visual-Language Prompt Tuning with Knowledge-guided Context Optimization, CVPR 2023",
        options=Options,
    )

    def __init__(self, task: nemesis.Task, options: Options, host: nemesis.Host) -> None:
        self.prompt = nemesis.PromptLearner(task, options, host)
        self.weight = nemesis.norm.at_least_zero("weight", options.weight)
        prompts = [task.template.replace("{}", name) for name in task.class_names]
        self.known = nemesis.unit(host.encode_strings(prompts))

    def loss(self, batch: nemesis.Batch, host: nemesis.Host) -> torch.Tensor:
        text = self.prompt.text_features(host)
        logits = self.prompt.compare(batch.features, text)
        cross_entropy = nemesis.cross_entropy(logits, batch.labels, host)
        distance = 1.0 - (text * self.known).sum(-1).mean()
        host.report("distance", distance)
        return cross_entropy + distance * self.weight

    def logits(self, batch: nemesis.Batch, host: nemesis.Host) -> torch.Tensor:
        return self.prompt.evaluate(batch.features, host)
