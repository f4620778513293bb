"""A toy host, so that a method can be tested without a checkpoint, data or the harness.

toy = Toy(classes=4)
method = toy.create(MyMethod, alpha=2.0)
loss = method.loss(toy.batch(images=8), toy.host)
toy.host.backward(loss)
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import torch
from nemesis import _native
from nemesis._about import About, Batch, Task, parse
from nemesis._native import Host


class _Method(Protocol):
    ABOUT: About

    def __init__(self, task: Task, options: Any, host: Host) -> None: ...


M = TypeVar("M", bound=_Method)


class Toy:
    """A host over a "text tower" with one small layer, whose features depend on every context vector, the class and the
    class position, and on nothing else; and a task and batches for it.

    Attributes
    ----------
    host : Host
        The services, with `seed` for random draws.
    task : Task
        A task of `classes` classes: contexts of width 6, features of 5 dimensions, on the CPU.
    """

    WIDTH = 6
    EMBED_DIM = 5

    def __init__(self, classes: int, *, seed: int = 1, dtype: torch.dtype = torch.float64) -> None:
        name = str(dtype).removeprefix("torch.")
        self.host: Host = _native.toy_host(classes, seed, name)
        self.task = Task(
            class_names=[f"class {label}" for label in range(classes)],
            template="a photo of a {}.",
            width=self.WIDTH,
            embed_dim=self.EMBED_DIM,
            logit_scale=10.0,
            device=torch.device("cpu"),
            dtype=dtype,
            precision="fp64" if dtype == torch.float64 else "fp32",
            epochs=4,
        )

    def create(self, method: type[M], **options: Any) -> M:
        """The method with these options over the defaults, checked as the host checks them."""
        return method(self.task, parse(method.ABOUT.options, options), self.host)

    def batch(self, images: int, step: int = 0) -> Batch:
        """A batch of random features, dense features, pixels and labels; the same step gives the same batch."""
        numbers = torch.Generator().manual_seed(1000 * step + 7)

        def normal(*shape: int) -> torch.Tensor:
            return torch.randn(shape, generator=numbers, dtype=torch.float64).to(self.task.dtype)

        return Batch(
            items=list(range(images)),
            labels=torch.randint(len(self.task.class_names), (images,), generator=numbers),
            features=normal(images, self.EMBED_DIM),
            dense=normal(images, 4, self.EMBED_DIM),
            pixels=normal(images, 3, 8, 8),
            epoch=min(step, 3),
            epochs=4,
            step=step,
            steps=4,
        )
