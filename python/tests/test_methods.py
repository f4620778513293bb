"""Methods in Python on a toy host, and what the conformance kit finds of broken ones."""

from __future__ import annotations

import json
import pickle
import random
import sys
from pathlib import Path
from typing import Any

import nemesis
import pytest
import torch
from nemesis import _native
from nemesis._about import schema
from nemesis.testing import Toy

TEMPLATE = Path(__file__).parents[2] / "nemesis-core/sdk/scaffold/python"


@pytest.fixture
def template() -> str:
    return (TEMPLATE / "sparse_prompt.py").read_text()


def verdict(check: str, plugin: Path) -> str:
    """What a check of the conformance kit says, run in this process."""
    file = plugin.parent / "verdict.json"
    file.unlink(missing_ok=True)
    assert _native.main(sys.executable, ["plugin", "check-here", check, "{}", str(plugin), str(file)]) == 0
    said = json.loads(file.read_text())
    return said if isinstance(said, str) else f"failed: {said['failed']}"


BROKEN = {
    "loss": ("+ self.alpha * penalty", "+ self.alpha * self.prompt.ctx"),
    "gradients-reach": (
        "self.alpha = ",
        "self.idle = torch.nn.Parameter(torch.zeros(2, dtype=task.dtype))\n        self.alpha = ",
    ),
    # Losses may draw from torch; see below.
    "random-state": (
        "    def logits",
        "    def state(self):\n        return {'ctx': self.prompt.ctx + 0 * torch.rand(())}\n\n    def logits",
    ),
    "grad-mode": ("return self.prompt.evaluate", "torch.set_grad_enabled(True)\n        return self.prompt.evaluate"),
    "logits": (
        "return self.prompt.evaluate(batch.features, host)",
        "return self.prompt.evaluate(batch.features, host)[0]",
    ),
    "evaluation": ("evaluate(batch.features, host)", "evaluate(batch.features - batch.features.mean(0), host)"),
    "stale-logits": (
        "return self.prompt.evaluate(batch.features, host)",
        "self.text = getattr(self, 'text', None) if hasattr(self, 'text') else self.prompt.text_features(host)\n"
        "        return self.prompt.compare(batch.features, self.text)",
    ),
    "state-checked": ("    def logits", "    def load_state(self, state):\n        pass\n\n    def logits"),
    "state-round-trip": (
        "    def logits",
        "    def state(self):\n        return {'ctx': self.prompt.ctx * 0}\n\n    def logits",
    ),
    "zero-contexts": ("self.prompt.ctx.abs().mean()", "1 / self.prompt.ctx.abs().mean()"),
    "graph-cuts": (
        "    def logits",
        "    def compute_gradients(self, batch, host):\n        loss = self.loss(batch, host)\n        loss.backward()\n"
        "        return loss\n\n    def logits",
    ),
    "single-precision": (
        "penalty = ",
        "penalty = torch.zeros(3, 5, dtype=torch.float64).matmul(self.prompt.ctx[0, :5])[0] + ",
    ),
    "parameters": (
        "self.alpha = ",
        "self.other = torch.nn.Parameter(torch.zeros(2, dtype=torch.float32))\n        self.alpha = ",
    ),
}


@pytest.mark.parametrize("check", BROKEN)
def test_the_right_check_fails(check: str, template: str, tmp_path: Path) -> None:
    plugin = tmp_path / "sparse_prompt.py"
    plugin.write_text(template)
    assert verdict(check, plugin) == "passed"
    before, after = BROKEN[check]
    assert before in template
    plugin.write_text(template.replace(before, after))
    assert verdict(check, plugin).startswith("failed: ")


def described(text: str, folder: Path, name: str = "m.py") -> dict[str, Any]:
    from nemesis import _method

    file = (folder / name).resolve()
    file.write_text(text)
    files = list(folder.resolve().rglob("*.py"))
    result: dict[str, Any] = json.loads(
        _method.describe(file, folder.resolve(), files, str(hash(text) & 0xFFFFFFFFFFFF))
    )
    return result


def test_two_plugins_may_have_helpers_of_one_name(template: str, tmp_path: Path) -> None:
    from nemesis import _method

    for label in ("One", "Two"):
        folder = tmp_path / label
        folder.mkdir()
        (folder / "helper.py").write_text(f"LABEL = '{label}'\n")
        text = "from helper import LABEL\n" + template.replace('label="SparsePrompt"', "label=LABEL")
        assert described(text, folder)["label"] == label
    assert "helper" not in sys.modules
    assert len(_method._PLUGINS) >= 2


def test_a_module_of_a_package_imports_its_neighbours(template: str, tmp_path: Path) -> None:
    from nemesis import _method

    texts = {
        "pack/__init__.py": "",
        "pack/names.py": "from .deep import NAME\nLABEL = NAME\n",
        "pack/deep/__init__.py": "NAME = 'Near'\n",
        "pack/methods/__init__.py": "",
        "pack/methods/mine.py": "from __future__ import annotations\nfrom ..names import LABEL\nimport pack.deep\n"
        + template.replace('label="SparsePrompt"', "label=LABEL + pack.deep.NAME"),
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    root = tmp_path.resolve()
    told = _method.describe(root / "pack/methods/mine.py", root, [root / name for name in texts], "1" * 32)
    described = json.loads(told)
    assert described["label"] == "NearNear"
    # Types that are written as strings are looked up in the module.
    assert {option["name"] for option in described["options"]} >= {"n_ctx"}
    assert "pack" not in sys.modules


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "a plugin has one class with an `ABOUT`, but this file has none"),
        ("raise ValueError('no')\n", "no"),
        ("import importlib\nimportlib.import_module('unseen')\n", "in a way that its source does not show"),
    ],
)
def test_what_is_not_a_plugin_is_refused(text: str, message: str, tmp_path: Path) -> None:
    from nemesis import _method

    (tmp_path / "unseen.py").write_text("")
    file = (tmp_path / "m.py").resolve()
    file.write_text(text)
    with pytest.raises((nemesis.NemesisError, ValueError), match=message):
        _method.describe(file, file.parent, [file], "0" * 32)


def test_options_know_their_types_and_defaults() -> None:
    from dataclasses import dataclass

    @dataclass
    class Options(nemesis.PromptOptions):
        beta: float | None = nemesis.option(None, "Absent by default.")

    told = {option["name"]: (option["kind"], option["default"]) for option in schema(Options)}
    assert told == {
        "n_ctx": ("integer", 16),
        "ctx_init": ("text", ""),
        "csc": ("true or false", False),
        "class_position": ("`end`, `middle` or `front`", "end"),
        "beta": ("number or null", None),
    }


class Drawing:
    """Draws from everything there is, and keeps what it learns in lists and dicts."""

    def __init__(self) -> None:
        self.net = torch.nn.Linear(2, 2)
        self.deep = [torch.nn.Parameter(torch.zeros(2)), {"norm": torch.nn.BatchNorm1d(2), "drop": torch.nn.Dropout()}]
        self.again = self.deep[0]
        self.modes: list[bool] = []

    def loss(self, batch: nemesis.Batch, host: nemesis.Host) -> torch.Tensor:
        drop, norm = self.deep[1]["drop"], self.deep[1]["norm"]  # type: ignore[index]
        self.modes.append(drop.training)
        norm(torch.rand(4, 2))
        return drop(torch.ones(64)).sum() + torch.rand(()) + random.random()  # type: ignore[no-any-return]

    def logits(self, batch: nemesis.Batch, host: nemesis.Host) -> torch.Tensor:
        self.modes.append(self.deep[1]["drop"].training)  # type: ignore[index]
        return torch.zeros(1)


DRAWING = """
import nemesis
from test_methods import Drawing


class Mine(Drawing):
    ABOUT = nemesis.About(id="mine", label="M", summary="For a test")

    def __init__(self, task, options, host):
        super().__init__()
"""


def drawing(toy: Toy, folder: Path) -> Any:
    from nemesis import _method

    described(DRAWING, folder)
    return _method.create((folder / "m.py").resolve(), toy.task, "{}", toy.host)


def test_what_a_method_draws_follows_from_the_seed_and_the_step(tmp_path: Path) -> None:
    toy = Toy(classes=3)
    one = drawing(toy, tmp_path)
    torch.rand(3)
    random.random()
    two = drawing(toy, tmp_path)
    assert torch.equal(one.method.net.weight, two.method.net.weight)
    assert not torch.equal(one.method.net.weight, drawing(Toy(classes=3, seed=2), tmp_path).method.net.weight)
    before = torch.get_rng_state()
    losses = [one.loss(toy.batch(2, step=step), toy.host) for step in (0, 1, 0)]
    assert torch.equal(torch.get_rng_state(), before)
    assert losses[0] == losses[2] != losses[1]


def test_what_is_learned_is_stored_and_modules_know_their_mode(tmp_path: Path) -> None:
    toy = Toy(classes=3)
    one, two = drawing(toy, tmp_path), drawing(toy, tmp_path)
    learned = ["net.weight", "net.bias", "deep.0", "deep.1.norm.weight", "deep.1.norm.bias"]
    assert [name for name, *_ in one.parameters()] == learned
    # Buffers that nothing has changed are not learned: they follow from the task.
    assert [name for name, _ in one.state()] == learned
    for call in (one.loss, one.logits, one.loss):
        call(toy.batch(2), toy.host)
    assert one.method.modes == [True, False, True]
    state = one.state()
    assert {name for name, _ in state} - set(learned) == {
        f"deep.1.norm.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")
    }
    two.load_state([(name, tensor.clone()) for name, tensor in state])
    assert all(torch.equal(mine, theirs) for (_, mine), (_, theirs) in zip(state, two.state()))
    with pytest.raises(nemesis.NemesisError, match="the state has the tensor `other`"):
        two.load_state([*state, ("other", torch.zeros(1))])


def test_a_failure_names_its_cause_and_notes() -> None:
    from nemesis import _method

    def failing() -> None:
        nothing: dict[str, int] = {}
        try:
            nothing["missing"]
        except KeyError as error:
            raise ValueError("in the end") from error

    with pytest.raises(ValueError, match="in the end") as caught:
        failing()
    caught.value.__notes__ = ["a note"]  # type: ignore[attr-defined]
    kind, option, text = _method.explain(caught.value)
    assert (kind, option) == ("failed", None)
    assert text.startswith("ValueError: in the end\na note\n")
    assert "KeyError: 'missing'" in text
    assert text.count("in failing") == 2


def test_what_sort_of_failure_it_is_reaches_the_engine() -> None:
    from nemesis import _method

    toy = Toy(classes=3)
    # No machine has room for what is made of these contexts, which themselves are one number.
    contexts = torch.zeros((), dtype=torch.float64).expand(1 << 44, 1, 4, toy.WIDTH)
    with pytest.raises(nemesis.NemesisError) as caught:
        toy.host.encode_contexts(contexts)
    assert caught.value.kind == "out-of-memory"
    assert _method.explain(caught.value)[:2] == ("out-of-memory", None)
    assert _method.explain(nemesis.NemesisError("no"))[:2] == ("failed", None)
    assert _method.explain(nemesis.OptionError("alpha", "no")) == ("invalid-options", "alpha", "no")


def test_an_option_error_survives_a_pickle() -> None:
    again = pickle.loads(pickle.dumps(nemesis.OptionError("alpha", "too large")))
    assert (again.option, again.message, str(again)) == ("alpha", "too large", "option `alpha`: too large")


def test_options_of_a_helper_may_have_types_that_are_strings(tmp_path: Path) -> None:
    (tmp_path / "choices.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom typing import Literal\n"
        "import nemesis\n\n\n@dataclass\nclass Options:\n"
        "    way: Literal['up', 'down'] = nemesis.option('up', 'Which way.')\n"
    )
    told = described(
        "import nemesis\nfrom choices import Options\n\n\nclass M:\n"
        "    ABOUT = nemesis.About(id='m', label='M', summary='S', options=Options, optimisation='none')\n\n"
        "    def logits(self, batch, host):\n        return None\n",
        tmp_path,
    )
    assert [option["kind"] for option in told["options"]] == ["`up` or `down`"]


def test_the_host_is_of_no_use_after_its_call(template: str, tmp_path: Path) -> None:
    plugin = tmp_path / "sparse_prompt.py"
    kept = template.replace("self.alpha = ", "self.host = host\n        self.alpha = ")
    plugin.write_text(kept.replace(" host.report(", " self.host.report("))
    assert "the host was used after the call that it was given to" in verdict("loss", plugin)


def test_the_host_is_of_no_use_on_another_thread() -> None:
    import threading

    toy = Toy(classes=3)
    failures: list[str] = []

    def elsewhere() -> None:
        try:
            toy.host.cancelled()
        except nemesis.NemesisError as error:
            failures.append(str(error))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert failures == ["the host was used on another thread than that of the call"]


def test_services_of_the_host() -> None:
    toy = Toy(classes=3)
    contexts = torch.ones(2, 1, 4, toy.WIDTH, dtype=torch.float64, requires_grad=True)
    features = toy.host.encode_contexts(contexts, "front")
    assert features.shape == (2, 3, toy.EMBED_DIM)
    (gradient,) = toy.host.gradients(features.sum(), [contexts])
    assert contexts.grad is None
    toy.host.backward(features.sum())
    assert contexts.grad is not None
    assert torch.equal(contexts.grad, gradient)
    assert toy.host.encode_strings(["a", "b"]).shape == (2, toy.EMBED_DIM)
    assert toy.host.embed_text("a photo").shape == (2, toy.WIDTH)
    assert toy.host.random("x", 1, 3) == toy.host.random("x", 1, 3) != toy.host.random("x", 2, 3)
    assert toy.host.normals("x", 0, [2, 3]).shape == (2, 3)
    assert sorted(toy.host.sample("x", 0, 4, 4)) == [0, 1, 2, 3]
    toy.host.report("value", torch.tensor(1.0))
    toy.host.report("value", 2.0)
    toy.host.log("a line", "warn")
    assert not toy.host.cancelled()
    with pytest.raises(nemesis.NemesisError, match="are longer than|longer than 77 tokens"):
        toy.host.encode_contexts(torch.ones(1, 1, 75, toy.WIDTH, dtype=torch.float64))


def test_norms_and_corruption_are_those_of_the_sdk() -> None:
    context = torch.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    norms = nemesis.norm.position_norms(context)
    assert norms.tolist() == [5.0, 0.0]
    loss = nemesis.norm.norm_loss(torch.tensor([1.0, 0.0]), norms)
    loss.backward()
    assert loss.item() == 5.0
    assert context.grad is not None
    assert context.grad.tolist() == [[0.6, 0.8], [0.0, 0.0]]
    copies = nemesis.corruption.rescaled_copies(context, [0, 1], 0.5)
    assert copies.tolist() == [[[1.5, 2.0], [0.0, 0.0]], [[3.0, 4.0], [0.0, 0.0]]]
    other = nemesis.corruption.replaced(context, 1, torch.ones(2, dtype=torch.float64))
    assert other.tolist() == [[3.0, 4.0], [1.0, 1.0]]
    with pytest.raises(nemesis.NemesisError, match="there is no position 2 in a context of 2 vectors"):
        nemesis.corruption.rescaled_copies(context, [2], 0.5)
