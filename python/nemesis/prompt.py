"""The prompt learner of CoOp: context vectors before, around or after each class name (Zhou et al., IJCV 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from nemesis._about import OptionError, Task, option
from nemesis._native import Host

ClassPosition = Literal["end", "middle", "front"]


@dataclass
class PromptOptions:
    """The options of a prompt learner; a method's own follow in a dataclass that inherits from this one."""

    n_ctx: int = option(16, "Number of context vectors; with `ctx_init`, the number of tokens in that text.")
    ctx_init: str = option(
        "",
        'Text whose token embeddings initialise the context, such as "a photo of a": all of its tokens are learned, more '
        "than there are words if a word has several. Without it, the context is drawn from a normal distribution with "
        "standard deviation 0.02.",
    )
    csc: bool = option(False, "Whether each class has its own context.")
    class_position: ClassPosition = option("end", "Where the class name goes among the context vectors.")


class PromptLearner(torch.nn.Module):
    """The context vectors, and what follows from them: text features and logits.

    Attributes
    ----------
    ctx : torch.nn.Parameter
        The context, `[n, d]`, or `[classes, n, d]` if it is class-specific. If it is the only prompt learner of a method,
        its parameter is called `ctx`, as in CoOp's checkpoints.
    """

    def __init__(self, task: Task, options: PromptOptions, host: Host) -> None:
        super().__init__()
        text = options.ctx_init.replace("_", " ").strip()
        classes = len(task.class_names)
        if text:
            context = host.embed_text(text)
            if options.csc:
                context = context.unsqueeze(0).repeat(classes, 1, 1)
        else:
            if options.n_ctx < 1:
                raise OptionError("n_ctx", "there must be at least one context vector")
            shape = [options.n_ctx, task.width]
            context = host.normals("context", 0, [classes, *shape] if options.csc else shape) * 0.02
        if context.numel() == 0:
            raise OptionError("n_ctx", "there must be at least one context vector")
        self.ctx = torch.nn.Parameter(context.detach().to(task.device).to(task.dtype).clone())
        self.class_position: ClassPosition = options.class_position
        self.logit_scale = task.logit_scale
        self._evaluated: tuple[torch.Tensor, torch.Tensor] | None = None

    def text_features(self, host: Host) -> torch.Tensor:
        """Text features `[classes, D]` of length one, differentiable in the context."""
        return self.text_features_of(self.ctx.unsqueeze(0), host).squeeze(0)

    def text_features_of(self, contexts: torch.Tensor, host: Host) -> torch.Tensor:
        """Text features `[copies, classes, D]` of length one of contexts `[copies, n, d]` or `[copies, classes, n, d]`."""
        contexts = contexts.unsqueeze(1) if contexts.dim() == 3 else contexts
        return unit(host.encode_contexts(contexts, self.class_position))

    def compare(self, features: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Logits `[…, images, classes]` of image features `[images, D]` and text features `[…, classes, D]`."""
        return unit(features).matmul(text.transpose(-2, -1)) * self.logit_scale

    def logits(self, features: torch.Tensor, host: Host) -> torch.Tensor:
        """Logits `[images, classes]` of image features `[images, D]`, differentiable in the context."""
        return self.compare(features, self.text_features(host))

    def logits_of(self, contexts: torch.Tensor, features: torch.Tensor, host: Host) -> torch.Tensor:
        """Logits `[copies, images, classes]` of several contexts at once."""
        return self.compare(features, self.text_features_of(contexts, host))

    def evaluate(self, features: torch.Tensor, host: Host) -> torch.Tensor:
        """Logits without gradient. Text features are used again while the context stays the same."""
        with torch.no_grad():
            if self._evaluated is None or not torch.equal(self._evaluated[0], self.ctx):
                self._evaluated = (self.ctx.detach().clone(), self.text_features(host))
            return self.compare(features, self._evaluated[1])


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor, host: Host) -> torch.Tensor:
    """The cross-entropy of logits `[images, classes]`, averaged over images and reported as `cross_entropy`."""
    loss = torch.nn.functional.cross_entropy(logits, labels)
    host.report("cross_entropy", loss)
    return loss


def unit(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors divided by their 2-norm, along the last dimension."""
    # The very operation of the compiled methods: `torch.linalg.vector_norm` differs from it in the last bit of a gradient.
    norms: torch.Tensor = torch.ops.aten.norm.ScalarOpt_dim(vectors, 2.0, [-1], True)
    return vectors / norms
