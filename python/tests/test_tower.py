"""The text tower against CLIP's own code, forward and backward."""

from __future__ import annotations

import copy
import pickle
import threading
from pathlib import Path
from typing import Any

import nemesis
import pytest
import torch
from plain import Clip, coop_features


def unpacked(tower: nemesis.TextTower) -> tuple[list[list[int]], list[int]]:
    tokens = tower.tokens()
    return [one for one, _ in tokens], [length for _, length in tokens]


@pytest.fixture(scope="module")
def towers(clip: Clip, names: list[str]) -> dict[str, nemesis.TextTower]:
    positions: list[Any] = ["end", "middle", "front"]
    return {position: nemesis.TextTower(clip, names, class_position=position) for position in positions}


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 6e-2), (torch.float16, 6e-3)],
)
@pytest.mark.parametrize("shape", ["shared", "class-specific"])
@pytest.mark.parametrize("position", ["end", "middle", "front"])
def test_features_and_gradients_are_those_of_the_plain_tower(
    clip: Clip,
    names: list[str],
    towers: dict[str, nemesis.TextTower],
    dtype: torch.dtype,
    tolerance: float,
    shape: str,
    position: str,
) -> None:
    tower = towers[position]
    tokens, lengths = unpacked(tower)
    size = (5, tower.width) if shape == "shared" else (len(names), 5, tower.width)
    start = torch.randn(size, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) * 0.02
    weights = torch.randn(len(names), tower.embed_dim, dtype=torch.float64)

    ctx = start.to(dtype).requires_grad_()
    features = tower(ctx)
    assert (features.shape, features.dtype) == ((len(names), tower.embed_dim), dtype)
    (features * weights.to(dtype)).sum().backward()
    plain = start.to(dtype).double().requires_grad_()
    expected = coop_features(copy.deepcopy(clip).double(), tokens, plain, position, lengths)
    (expected * weights).sum().backward()

    assert ctx.grad is not None
    assert plain.grad is not None
    for ours, theirs in [(features, expected), (ctx.grad, plain.grad)]:
        assert (ours.double() - theirs).norm() <= tolerance * theirs.norm()


def test_copies_are_encoded_at_once(clip: Clip, names: list[str]) -> None:
    tower = nemesis.TextTower(clip, names, dtype=torch.float64)
    contexts = torch.randn(3, 1, 4, tower.width, dtype=torch.float64)
    together = tower(contexts)
    assert together.shape == (3, len(names), tower.embed_dim)
    for one, context in zip(together, contexts):
        torch.testing.assert_close(one, tower(context[0]))


def test_the_graph_reaches_what_the_context_was_made_from(clip: Clip, names: list[str]) -> None:
    tower = nemesis.TextTower(clip, names)
    net = torch.nn.Linear(8, 4 * tower.width)
    tower(net(torch.ones(8)).view(4, tower.width)).square().sum().backward()
    assert net.weight.grad is not None
    assert net.weight.grad.abs().sum() > 0
    with torch.no_grad():
        assert not tower(torch.zeros(4, tower.width, requires_grad=True)).requires_grad


def test_a_checkpoint_gives_what_the_model_gives(clip: Clip, names: list[str], tmp_path: Path) -> None:
    ctx = torch.randn(4, 128) * 0.02
    torch.save(clip.state_dict(), tmp_path / "clip.pt")
    of_file = nemesis.TextTower(tmp_path / "clip.pt", names, 4, weights_config="openai")
    of_state = nemesis.TextTower(clip.state_dict(), names, 4, weights_config="openai")
    expected = nemesis.TextTower(clip, names)(ctx)
    assert torch.equal(of_file(ctx), expected)
    assert torch.equal(of_state(ctx), expected)
    assert of_file.logit_scale == pytest.approx(100.0)
    assert len(of_file) == len(names)


def test_strings_and_embeddings(clip: Clip, names: list[str]) -> None:
    tower = nemesis.TextTower(clip, names)
    tokens, _ = unpacked(nemesis.TextTower(clip, ["a photo of a cat"]))
    start = tower.embed("a photo of a")
    assert torch.equal(start, clip.token_embedding(torch.tensor(tokens[0][:4])))
    only = nemesis.TextTower(clip, ["cat"])
    torch.testing.assert_close(tower.encode(["a photo of a cat."]), only(start), rtol=1e-5, atol=1e-5)


def test_autocast_does_not_reach_into_a_tower(clip: Clip, names: list[str]) -> None:
    tower = nemesis.TextTower(clip, names)
    ctx = torch.randn(4, tower.width) * 0.02
    expected = tower(ctx), tower.encode(["a cat"])
    with torch.autocast("cpu", torch.bfloat16):
        found = tower(ctx), tower.encode(["a cat"])
    assert all(torch.equal(one, other) for one, other in zip(expected, found))


def test_what_is_made_in_inference_mode_serves_training(clip: Clip, names: list[str]) -> None:
    dtypes = [torch.float32, torch.float64]
    with torch.inference_mode():
        tower = nemesis.TextTower(clip, names)
        start = tower.embed("a photo of a")
        for dtype in dtypes:
            assert not tower(start.to(dtype)).requires_grad
    assert not start.is_inference()
    for dtype in dtypes:
        ctx = start.to(dtype, copy=True).requires_grad_()
        with torch.inference_mode():
            evaluated = tower(ctx, {1: ctx})
        assert not evaluated.requires_grad
        features = tower(ctx, {1: ctx})
        torch.testing.assert_close(evaluated, features.detach(), rtol=1e-4, atol=1e-4)
        features.square().sum().backward()
        assert ctx.grad is not None


def test_a_tower_is_shared_by_copies_and_made_again_from_its_file(clip: Clip, names: list[str], tmp_path: Path) -> None:
    of_model = nemesis.TextTower(clip, names)
    assert copy.deepcopy(of_model) is copy.copy(of_model) is of_model
    with pytest.raises(TypeError, match="a text tower of a model in memory cannot be pickled"):
        pickle.dumps(of_model)
    torch.save(clip.state_dict(), tmp_path / "clip.pt")
    of_file = nemesis.TextTower(tmp_path / "clip.pt", names, 4, class_position="front", weights_config="openai")
    again = pickle.loads(pickle.dumps(of_file))
    ctx = torch.randn(4, 128) * 0.02
    assert torch.equal(again(ctx), of_file(ctx))


def test_openai_is_a_name_whatever_lies_in_the_working_directory(
    clip: Clip, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(clip.state_dict(), tmp_path / "clip.pt")
    (tmp_path / "openai").mkdir()
    monkeypatch.chdir(tmp_path)
    tower = nemesis.TextTower("clip.pt", names, weights_config="openai")
    assert len(pickle.loads(pickle.dumps(tower))) == len(names)


def test_threads_may_share_a_tower(clip: Clip, names: list[str]) -> None:
    tower = nemesis.TextTower(clip, names)
    contexts = [torch.randn(4, tower.width) * 0.02 for _ in range(4)]
    expected = [tower(ctx) for ctx in contexts]
    found: dict[int, torch.Tensor] = {}
    threads = [threading.Thread(target=lambda at=at: found.__setitem__(at, tower(contexts[at]))) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for at in range(4):
        torch.testing.assert_close(found[at], expected[at])


def refused(*arguments: Any, ctx: Any = None, **options: Any) -> str:
    with pytest.raises(nemesis.NemesisError) as caught:
        nemesis.TextTower(*arguments, **options)(ctx)
    return str(caught.value)


def test_what_does_not_fit_is_refused_with_one_message(clip: Clip, names: list[str], tmp_path: Path) -> None:
    assert "is 78 tokens long" in refused(clip, ["cat"], 74)
    assert refused(clip, names, ctx=torch.zeros(3, 4, 128)).startswith("a context has the shape [3, 4, 128]")
    assert refused(clip, names, 4, ctx=torch.zeros(5, 128)) == "a context of 5 vectors, but the tower was made for 4"
    assert "int" in refused(clip, names, ctx=torch.zeros(4, 128, dtype=torch.int64)).lower()
    assert "torch.uint16" in refused(clip, names, ctx=torch.zeros(4, 128).to(torch.uint16))
    assert "the device `meta`" in refused(clip, names, ctx=torch.zeros(4, 128, device="meta"))
    assert "128" in refused(clip, names, ctx=torch.zeros(4, 127))
    assert "there is no class position `start`" in refused(clip, names, class_position="start")
    assert str(tmp_path / "none.pt") in refused(tmp_path / "none.pt", names)
    # A state dict does not say its activation.
    assert "--weights-config" in refused(clip.state_dict(), names) or "openai" in refused(clip.state_dict(), names)
    with pytest.raises(TypeError, match="prompts is one string"):
        nemesis.TextTower(clip, names).encode("a photo of a cat.")
    with pytest.raises(TypeError, match=r"expected a torch\.Tensor, not list"):
        nemesis.TextTower(clip, names)._tower.encode([1.0], "end")  # type: ignore[arg-type]
