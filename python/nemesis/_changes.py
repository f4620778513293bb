"""What a method changes in the frozen towers for one call: prompt tokens in any layer, and deltas on weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch


@dataclass(frozen=True)
class LowRank:
    """A low-rank delta on a linear map: `y = W x + b + scale · up (down (dropout x))`.

    Parameters
    ----------
    name
        The linear map, `TOWER.LAYER.PART`, such as `image.0.q`: the tower is `image` or `text`, layers are counted from
        zero, and the part is `q`, `k`, `v`, `o`, `c_fc` or `c_proj`.
    down, up
        `[rank, from]` and `[to, rank]`.
    scale
        The factor on the product.
    dropout
        The probability that a number of the delta's input becomes zero, in training. Masks are a pure function of the
        cell's seed, `index` and the name.
    index
        Tells apart draws of the same map; the step, for example.
    """

    name: str
    down: torch.Tensor
    up: torch.Tensor
    scale: float = 1.0
    dropout: float | None = None
    index: int = 0


@dataclass(frozen=True)
class Changes:
    """What is different from the frozen model in one call. Tensors are of the task's type and device.

    Parameters
    ----------
    prompts
        Prompt tokens by layer, counted from zero. In the image tower they are `[tokens, width]`, or `[images, tokens,
        width]`. At layer 0 they are appended behind the patches, without a positional embedding; at a later layer they
        take the place of the last tokens, as many as layer 0 has appended. In the text tower they are `[tokens, width]`,
        `[classes, tokens, width]` or `[copies, 1 or classes, tokens, width]`, and take the place of the tokens behind the
        start token, without a positional embedding. The layer is not 0 there, since a context is what layer 0 sees.
    low_rank
        Low-rank deltas on linear maps, each map at most once.
    replaced
        Trained copies of weights: a linear map as above, or a layer normalisation such as `image.0.ln_1`,
        `image.ln_pre`, `image.ln_post` or `text.ln_final`, with `.weight` or `.bias` behind it.
    ending
        What follows a class name in `encode_contexts`, in place of a full stop: `", a type of pet."`
    """

    prompts: Mapping[int, torch.Tensor] = field(default_factory=dict)
    low_rank: Sequence[LowRank] = ()
    replaced: Mapping[str, torch.Tensor] = field(default_factory=dict)
    ending: str | None = None

    def __post_init__(self) -> None:
        # The host takes plain dicts.
        object.__setattr__(self, "prompts", dict(self.prompts))
        object.__setattr__(self, "replaced", dict(self.replaced))
