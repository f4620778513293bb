"""The native module. Use it through the package."""

import os
from collections.abc import Sequence
from typing import Literal, final

import torch
from nemesis._changes import Changes

SOURCE: str
VERSION: str

class NemesisError(RuntimeError):
    """An error of nemesis, with the text that the command `nemesis` prints."""

    #: What sort of failure it is: `failed`, or a word such as `out-of-memory` if a service of the host says more.
    kind: str

@final
class Tower:
    def __new__(
        cls,
        weights: str | os.PathLike[str],
        class_names: list[str],
        weights_config: str | None,
        dtype: str,
        device: str,
    ) -> Tower: ...
    def encode(
        self, contexts: torch.Tensor, position: str, prompts: dict[int, torch.Tensor] | None = None
    ) -> torch.Tensor: ...
    def check_vectors(self, vectors: int) -> None: ...
    def encode_strings(self, prompts: list[str]) -> torch.Tensor: ...
    def embed_text(self, text: str) -> torch.Tensor: ...
    def tokens(self) -> list[tuple[list[int], int]]: ...
    @property
    def width(self) -> int: ...
    @property
    def embed_dim(self) -> int: ...
    @property
    def context_length(self) -> int: ...
    @property
    def logit_scale(self) -> float: ...
    @property
    def class_names(self) -> list[str]: ...

@final
class Preprocess:
    @staticmethod
    def of_weights(weights: str | os.PathLike[str], weights_config: str | None) -> Preprocess: ...
    @staticmethod
    def openai(size: int) -> Preprocess: ...
    def files(self, paths: list[str], dtype: str, view: tuple[int, int] | None) -> torch.Tensor: ...
    def images(
        self, images: list[tuple[int, int, bytes]], dtype: str, view: tuple[int, int] | None
    ) -> torch.Tensor: ...
    @property
    def size(self) -> int: ...

@final
class TowerSizes:
    """The sizes of the towers, for making parameters."""

    @property
    def image_layers(self) -> int:
        """Layers of the image tower; zero if it is a residual network, which takes no changes."""

    @property
    def image_width(self) -> int:
        """Width of a token in the image tower."""

    @property
    def image_hidden(self) -> int:
        """Width of the perceptron's hidden layer in the image tower."""

    @property
    def image_tokens(self) -> int:
        """Tokens of an image: the class token and one for each patch."""

    @property
    def text_layers(self) -> int:
        """Layers of the text tower."""

    @property
    def text_width(self) -> int:
        """Width of a token in the text tower, which is that of a context vector."""

    @property
    def text_hidden(self) -> int:
        """Width of the perceptron's hidden layer in the text tower."""

@final
class Host:
    """What the host does for a method, during the call that it is given to. Do not keep it."""

    def encode_strings(self, prompts: Sequence[str], changes: Changes | None = None) -> torch.Tensor:
        """Features `[prompts, D]`, not normalised, of whole prompts. They have no gradient without `changes`."""

    def encode_contexts(
        self,
        contexts: torch.Tensor,
        position: Literal["end", "middle", "front"] = "end",
        changes: Changes | None = None,
    ) -> torch.Tensor:
        """Features `[copies, classes, D]`, not normalised, of the task's class names behind `contexts`
        `[copies, 1 or classes, n, d]`.

        They are differentiable in `contexts` and in all tensors of `changes`, but only through `backward` and
        `gradients` of the host: the graph may be cut here to save memory. `changes` need `"towers"` in `ABOUT`.
        """

    def encode_images(self, pixels: torch.Tensor, changes: Changes | None = None) -> torch.Tensor:
        """Features `[images, D]`, not normalised, of pixels `[images, 3, side, side]` as batches carry them, differentiable
        as above. It needs `"towers"` in `ABOUT`."""

    def encode_patches(self, pixels: torch.Tensor, changes: Changes | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """The features of `encode_images`, and those of patches, `[images, patches, D]`."""

    def tower_sizes(self) -> TowerSizes:
        """The sizes of both towers. It needs `"towers"` in `ABOUT`."""

    def embed_text(self, text: str) -> torch.Tensor:
        """Token embeddings `[tokens, d]` of a text, to initialise contexts with."""

    def backward(self, loss: torch.Tensor) -> None:
        """Adds the gradient of a scalar to the `grad` of every leaf it depends on."""

    def gradients(self, loss: torch.Tensor, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The gradients of a scalar in `inputs`, one of the same shape each. No `grad` is touched, and the graph is kept."""

    def random(self, purpose: str, index: int, count: int) -> list[int]:
        """Random 64-bit numbers, a pure function of the cell's seed, `purpose` and `index`."""

    def normals(self, purpose: str, index: int, shape: Sequence[int]) -> torch.Tensor:
        """Numbers of the standard normal distribution, float64, a pure function of the cell's seed, `purpose`, `index`."""

    def sample(self, purpose: str, index: int, n: int, count: int) -> list[int]:
        """`count` distinct numbers below `n` in random order, a pure function of the cell's seed, `purpose`, `index`."""

    def report(self, name: str, value: torch.Tensor | float) -> None:
        """Records a value of this step, a scalar or a small vector, in the training's record. Outside of steps it does
        nothing."""

    def log(self, message: str, level: Literal["warn", "info", "debug"] = "info") -> None:
        """Writes a line to the host's log; the user sees warnings."""

    def cancelled(self) -> bool:
        """Whether the run was cancelled, so that a long call should end soon."""

def built_for() -> tuple[str, str]: ...
def find_torch(library: str | os.PathLike[str], tensor: type[torch.Tensor]) -> None: ...
def check_engine(python: str | os.PathLike[str], engine: str) -> None: ...
def main(python: str | os.PathLike[str], arguments: Sequence[str], engine: str | None = None) -> int: ...
def toy_host(classes: int, seed: int, dtype: str) -> Host: ...
def few_shot(
    data: str | os.PathLike[str],
    dataset: str,
    shots: int | None,
    seed: int,
    lists: str | os.PathLike[str] | None,
) -> tuple[list[str], str, list[tuple[os.PathLike[str], int]], list[tuple[os.PathLike[str], int]]]: ...
def columns() -> list[tuple[str, bool]]: ...
def records(out: str | os.PathLike[str], ids: Sequence[str] | None = None) -> list[tuple[str, str]]: ...
def learned(out: str | os.PathLike[str], id: str, epoch: int | None) -> list[tuple[str, torch.Tensor]]: ...
def predictions(out: str | os.PathLike[str], id: str) -> list[int]: ...
