"""Norms of context vectors, and the normalisation loss that Nemesis is named after."""

from __future__ import annotations

import math
from typing import Literal

import torch
from nemesis._about import OptionError
from nemesis._native import Host, NemesisError

NormKind = Literal["one", "two", "inf"]

_ORDERS: dict[NormKind, float] = {"one": 1.0, "two": 2.0, "inf": math.inf}


def position_norms(context: torch.Tensor, kind: NormKind = "two") -> torch.Tensor:
    """The norm of each context vector: `[n]` of a context `[n, d]`, `[classes, n]` of class-specific ones."""
    norms: torch.Tensor = torch.ops.aten.norm.ScalarOpt_dim(context, _ORDERS[kind], [-1], False)
    return norms


def norm_loss(alpha: torch.Tensor, norms: torch.Tensor) -> torch.Tensor:
    """The norm loss, a scalar: `(Σ aᵢ‖vᵢ‖) / max(1, number of aᵢ ≠ 0)`.

    `alpha` `[n]` are the coefficients, `norms` `[n]` or `[classes, n]` come from `position_norms`. It is `normalize` of
    the authors' `trainers/coop_nemesis.py`: class-specific contexts are summed over classes yet divided by the number of
    positions, as there.
    """
    if alpha.shape[-1:] != norms.shape[-1:]:
        raise NemesisError(f"coefficients of shape {list(alpha.shape)} do not fit norms of shape {list(norms.shape)}")
    return (alpha * norms).sum() / alpha.ne(0.0).sum().clamp_min(1)


def report_context_norm(context: torch.Tensor, host: Host) -> None:
    """Reports the 2-norm of a context's vectors, averaged over positions and classes, as `context_norm`."""
    with torch.no_grad():
        host.report("context_norm", position_norms(context).mean())


def at_least_zero(option: str, value: float) -> float:
    """The value of an option that weights a loss, if it is a number of at least zero."""
    if value >= 0.0 and math.isfinite(value):
        return value
    raise OptionError(option, f"{value:g} is not a number of at least 0")
