"""CLIP's text tower and CoOp's prompts as their authors compute them, to compare with: openai/CLIP's `clip/model.py` and
CoOp's `trainers/coop.py`, with random weights of OpenAI's names and without an image tower to speak of."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import nn


class QuickGELU(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(1.702 * x)


class ResidualAttentionBlock(nn.Module):
    def __init__(self, width: int, heads: int, mask: torch.Tensor) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads)
        self.ln_1 = nn.LayerNorm(width)
        layers = [("c_fc", nn.Linear(width, 4 * width)), ("gelu", QuickGELU()), ("c_proj", nn.Linear(4 * width, width))]
        self.mlp = nn.Sequential(OrderedDict(layers))
        self.ln_2 = nn.LayerNorm(width)
        self.mask = mask

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.ln_1(x)
        mask = self.mask.to(dtype=x.dtype, device=x.device)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
        out: torch.Tensor = x + self.mlp(self.ln_2(x))
        return out


class Transformer(nn.Module):
    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        mask = torch.full((77, 77), float("-inf")).triu_(1)
        self.resblocks = nn.Sequential(*(ResidualAttentionBlock(width, width // 64, mask) for _ in range(layers)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.resblocks(x)
        return out


class Visual(nn.Module):
    """The least image tower that a checkpoint can have: a vision transformer of one layer."""

    def __init__(self, width: int, embed_dim: int, side: int = 32, patch: int = 16) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.randn(width))
        self.positional_embedding = nn.Parameter(torch.randn((side // patch) ** 2 + 1, width))
        self.proj = nn.Parameter(torch.randn(width, embed_dim))
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = Transformer(width, 1)


class Clip(nn.Module):
    def __init__(self, width: int = 128, layers: int = 3, embed_dim: int = 96) -> None:
        super().__init__()
        self.visual = Visual(64, embed_dim)
        self.transformer = Transformer(width, layers)
        self.token_embedding = nn.Embedding(49408, width)
        self.positional_embedding = nn.Parameter(torch.randn(77, width) * 0.01)
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.randn(width, embed_dim) * width**-0.5)
        self.logit_scale = nn.Parameter(torch.tensor(100.0).log())
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        for parameter in self.parameters():
            parameter.requires_grad_(False)


def coop_features(
    clip: Clip,
    tokens: Sequence[Sequence[int]],
    ctx: torch.Tensor,
    position: str = "end",
    name_lengths: Sequence[int] = (),
) -> torch.Tensor:
    """CoOp's `PromptLearner` and `TextEncoder`: features `[classes, D]` of a context `[n, d]` or `[classes, n, d]`.

    `tokens` are those of each class after the context: name, full stop, end token.
    """
    classes, n = len(tokens), ctx.shape[-2]
    ctx = ctx if ctx.dim() == 3 else ctx.unsqueeze(0).expand(classes, -1, -1)
    ids = torch.zeros(classes, 77, dtype=torch.int64)
    ids[:, 0] = 49406
    for row, of_class in zip(ids, tokens):
        row[1 + n : 1 + n + len(of_class)] = torch.tensor(of_class)
    eot = ids.argmax(-1)
    embedded = clip.token_embedding(ids).to(ctx.dtype)
    prefix, suffix = embedded[:, :1], embedded[:, 1 + n :]
    if position == "end":
        prompts = torch.cat([prefix, ctx, suffix], 1)
    else:
        rows = []
        before = n // 2 if position == "middle" else 0
        for i, length in enumerate(name_lengths):
            parts = [prefix[i], ctx[i, :before], suffix[i, :length], ctx[i, before:], suffix[i, length:]]
            rows.append(torch.cat(parts))
        prompts = torch.stack(rows)
    x = prompts + clip.positional_embedding.to(ctx.dtype)
    x = clip.ln_final(clip.transformer(x.permute(1, 0, 2)).permute(1, 0, 2))
    out: torch.Tensor = x[torch.arange(classes), eot] @ clip.text_projection
    return out
