"""VPT: prompt tokens in the first layers of the image tower (Jia et al., ECCV 2022), as MaPLe's code applies it to CLIP."""

from dataclasses import dataclass

import nemesis
import torch


@dataclass
class Options:
    n_ctx: int = nemesis.option(8, "Number of prompt tokens in every layer.")
    depth: int = nemesis.option(12, "Number of layers with prompts; 1 means the input only (VPT-shallow).")


class VPT:
    ABOUT = nemesis.About(
        id="vpt-py",
        label="VPT (Python)",
        summary="prompts in the first layers of the image tower",
        paper="Jia et al., Visual Prompt Tuning, ECCV 2022",
        options=Options,
        needs=("pixels", "towers"),
        protocol={
            "optimiser": "sgd",
            "learning_rate": 0.0025,
            "momentum": 0.9,
            "weight_decay": 5e-4,
            "schedule": "cosine",
            "warmup": "constant",
            "warmup_epochs": 1,
            "warmup_learning_rate": 1e-5,
            "batch_size": 4,
            "epochs": 5,
        },
    )

    def __init__(self, task: nemesis.Task, options: Options, host: nemesis.Host) -> None:
        sizes = host.tower_sizes()
        if sizes.image_layers == 0:
            raise nemesis.NemesisError("the image tower is a residual network, which takes no prompts; use a ViT")
        if options.n_ctx < 1:
            raise nemesis.OptionError("n_ctx", "there must be at least one prompt token")
        shape = [options.n_ctx, sizes.image_width]
        drawn = [host.normals("VPT", layer, shape) * 0.02 for layer in range(min(options.depth, sizes.image_layers))]
        self.prompts = torch.nn.ParameterList([tokens.to(task.device, task.dtype) for tokens in drawn])
        words = host.embed_text("a photo of a")
        self.text = nemesis.unit(host.encode_contexts(words[None, None])[0])
        self.logit_scale = task.logit_scale

    def scores(self, pixels: torch.Tensor, host: nemesis.Host) -> torch.Tensor:
        changes = nemesis.Changes(prompts=dict(enumerate(self.prompts)))
        return nemesis.unit(host.encode_images(pixels, changes)).matmul(self.text.t()) * self.logit_scale

    def loss(self, batch: nemesis.Batch, host: nemesis.Host) -> torch.Tensor:
        return nemesis.cross_entropy(self.scores(batch.pixels, host), batch.labels, host)

    def logits(self, batch: nemesis.Batch, host: nemesis.Host) -> torch.Tensor:
        return self.scores(batch.pixels, host)
