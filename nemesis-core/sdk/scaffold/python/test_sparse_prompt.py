"""Tests on a toy host, without a checkpoint or data. Run them with `python -m pytest`."""

import nemesis
import pytest
import torch
from nemesis.testing import Toy
from sparse_prompt import SparsePrompt


def test_a_step_against_the_gradient_lowers_the_loss() -> None:
    toy = Toy(classes=4)
    method = toy.create(SparsePrompt)
    batch = toy.batch(images=8)
    before = method.loss(batch, toy.host)
    toy.host.backward(before)
    with torch.no_grad():
        method.prompt.ctx -= 1e-3 * method.prompt.ctx.grad
    assert method.loss(batch, toy.host) < before


def test_the_penalty_counts_by_its_weight() -> None:
    toy = Toy(classes=4)
    batch = toy.batch(images=8)
    without, light, heavy = (toy.create(SparsePrompt, alpha=alpha).loss(batch, toy.host) for alpha in (0.0, 1.0, 3.0))
    torch.testing.assert_close(heavy - without, 3 * (light - without))


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(nemesis.OptionError, match="option `alpha`: -1 is not a number of at least 0"):
        Toy(classes=4).create(SparsePrompt, alpha=-1.0)
