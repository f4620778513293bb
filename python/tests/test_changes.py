"""Changes inside of the towers: deep prompts and deltas, on a toy host and behind `TextTower`."""

from __future__ import annotations

import copy
from typing import Any

import nemesis
import pytest
import torch
from nemesis.testing import Toy
from plain import Clip, coop_features
from vpt import VPT

FP64 = torch.float64


class MaPLeLike:
    """A context, deep prompts in both towers coupled by a map, and a low-rank delta."""

    ABOUT = nemesis.About(id="maple-like", label="M", summary="For a test", needs=("pixels", "towers"))

    def __init__(self, task: nemesis.Task, options: None, host: nemesis.Host) -> None:
        sizes = host.tower_sizes()
        normals = [host.normals("deep", layer, [2, sizes.text_width]) for layer in range(2)]
        self.prompts = torch.nn.ParameterList(normals)
        self.map = torch.nn.Linear(sizes.text_width, sizes.image_width, dtype=task.dtype)
        self.down = torch.nn.Parameter(host.normals("down", 0, [1, sizes.image_width]))
        self.up = torch.nn.Parameter(host.normals("up", 0, [sizes.image_width, 1]))
        self.scale = task.logit_scale

    def scores(self, pixels: torch.Tensor, host: nemesis.Host) -> torch.Tensor:
        delta = nemesis.LowRank("image.0.q", self.down, self.up, scale=0.5)
        of_images = nemesis.Changes({i: self.map(p) for i, p in enumerate(self.prompts)}, low_rank=[delta])
        of_text = nemesis.Changes({1: self.prompts[1]}, ending=", a type of pet.")
        text = host.encode_contexts(self.prompts[0][None, None], changes=of_text)[0]
        return nemesis.unit(host.encode_images(pixels, of_images)).matmul(nemesis.unit(text).t()) * self.scale

    def loss(self, batch: nemesis.Batch, host: nemesis.Host) -> torch.Tensor:
        return nemesis.cross_entropy(self.scores(batch.pixels, host), batch.labels, host)


def test_gradients_reach_what_is_learned_in_both_towers() -> None:
    toy = Toy(classes=4)
    torch.manual_seed(0)
    method, batch = toy.create(MaPLeLike), toy.batch(images=6)
    learned = [*method.prompts, method.map.weight, method.map.bias, method.down, method.up]
    toy.host.backward(method.loss(batch, toy.host))
    for parameter in learned:
        assert parameter.grad is not None
        number, step = parameter.flatten()[0].item(), 1e-6
        losses = []
        for at in (number + step, number - step):
            parameter.data.flatten()[0] = at
            losses.append(method.loss(batch, toy.host).item())
        parameter.data.flatten()[0] = number
        assert parameter.grad.flatten()[0].item() == pytest.approx((losses[0] - losses[1]) / 2e-6, rel=1e-5, abs=1e-8)


def test_replaced_weights_and_patches() -> None:
    toy = Toy(classes=4)
    pixels = toy.batch(images=3).pixels
    frozen, patches = toy.host.encode_patches(pixels)
    assert (frozen.shape, patches.shape) == ((3, 5), (3, 4, 5))
    assert torch.equal(toy.host.encode_images(pixels), frozen)
    bias = torch.ones(toy.host.tower_sizes().image_width, dtype=FP64, requires_grad=True)
    changed = toy.host.encode_images(pixels, nemesis.Changes(replaced={"image.1.ln_1.bias": bias}))
    assert not torch.equal(changed, frozen)
    (gradient,) = toy.host.gradients(changed.square().sum(), [bias])
    assert gradient.abs().sum() > 0
    with pytest.raises(nemesis.NemesisError, match=r"image\.1\.ln_9"):
        toy.host.encode_images(pixels, nemesis.Changes(replaced={"image.1.ln_9.bias": bias}))


def test_vpt_learns_on_a_toy_host() -> None:
    toy = Toy(classes=4)
    method, batch = toy.create(VPT, n_ctx=2), toy.batch(images=8)
    assert len(method.prompts) == toy.host.tower_sizes().image_layers
    optimiser = torch.optim.SGD(method.prompts.parameters(), lr=0.1)
    losses = []
    for _ in range(5):
        loss = method.loss(batch, toy.host)
        optimiser.zero_grad()
        toy.host.backward(loss)
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def deep_features(clip: Clip, tokens: list[list[int]], ctx: torch.Tensor, prompts: dict[int, Any]) -> torch.Tensor:
    """The plain tower, whose blocks put these prompts behind the start token before they run."""
    handles = []
    for layer, prompt in prompts.items():

        def replaced(_: object, args: tuple[torch.Tensor], prompt: torch.Tensor = prompt) -> tuple[torch.Tensor]:
            x = args[0]  # [tokens, classes, width]
            rows = prompt.expand(x.shape[1], -1, -1).permute(1, 0, 2)
            return (torch.cat([x[:1], rows, x[1 + rows.shape[0] :]]),)

        handles.append(clip.transformer.resblocks[layer].register_forward_pre_hook(replaced))
    features = coop_features(clip, tokens, ctx)
    for handle in handles:
        handle.remove()
    return features


@pytest.mark.parametrize("specific", [False, True], ids=["shared", "class-specific"])
def test_deep_prompts_are_those_of_the_plain_tower(clip: Clip, names: list[str], specific: bool) -> None:
    tower = nemesis.TextTower(clip, names, dtype=FP64)
    plain = copy.deepcopy(clip).double()
    draws = torch.Generator().manual_seed(3)
    shape = (len(names), 4, tower.width) if specific else (4, tower.width)
    leaves = [torch.randn(shape, dtype=FP64, generator=draws).requires_grad_() for _ in range(3)]
    weights = torch.randn(len(names), tower.embed_dim, dtype=FP64, generator=draws)

    def gradients(features: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad((features * weights).sum(), leaves)

    ours = tower(leaves[0], prompts={1: leaves[1], 2: leaves[2]})
    theirs = deep_features(plain, [one for one, _ in tower.tokens()], leaves[0], {1: leaves[1], 2: leaves[2]})
    for mine, expected in zip((ours, *gradients(ours)), (theirs, *gradients(theirs))):
        assert (mine - expected).norm() <= 1e-11 * expected.norm()
    assert not torch.allclose(ours, tower(leaves[0]))
    with pytest.raises(nemesis.NemesisError, match="layer"):
        tower(leaves[0], prompts={3: leaves[1]})
