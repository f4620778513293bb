"""Corrupting a context at one position: RESCALE and REPLACE, with which the paper shows the Low-Norm Effect."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from nemesis._native import NemesisError


def rescaled_copies(context: torch.Tensor, positions: Sequence[int], factor: float) -> torch.Tensor:
    """One copy of the context for each of `positions`, with only that vector multiplied by `factor`.

    `[copies, n, d]` of a context `[n, d]`, `[copies, classes, n, d]` of class-specific ones. This is RESCALE
    (`trainers/coop_crt.py`).
    """
    chosen = _chosen(context, positions)
    scales = torch.ones_like(chosen, dtype=context.dtype).masked_fill(chosen, factor)
    return context.unsqueeze(0) * (scales.unsqueeze(1) if context.dim() == 3 else scales)


def replaced(context: torch.Tensor, position: int, vector: torch.Tensor) -> torch.Tensor:
    """The context with the vector at `position` replaced by `vector` `[d]`, in every class: REPLACE."""
    return torch.where(_chosen(context, [position]).squeeze(0), vector, context)


def _chosen(context: torch.Tensor, positions: Sequence[int]) -> torch.Tensor:
    """Whether a vector is the chosen one of its copy: `[copies, n, 1]`."""
    if context.dim() < 2:
        raise NemesisError(f"a context of shape {list(context.shape)} has no positions")
    vectors = context.shape[-2]
    for position in positions:
        if not 0 <= position < vectors:
            raise NemesisError(f"there is no position {position} in a context of {vectors} vectors")
    index = torch.tensor(list(positions), device=context.device)
    return torch.nn.functional.one_hot(index, vectors).to(torch.bool).unsqueeze(-1)
