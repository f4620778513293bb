"""The text tower for anybody's training loop."""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Union

import torch
from nemesis import _native
from nemesis._native import NemesisError
from nemesis._weights import configuration

ClassPosition = Literal["end", "middle", "front"]
#: The types that features are computed in.
_DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)

Weights = Union[str, "os.PathLike[str]", Mapping[str, torch.Tensor], torch.nn.Module]


class TextTower:
    """The frozen text tower of a CLIP model over the names of some classes: `tower(ctx)` gives their text features.

    It computes what CoOp's `TextEncoder` computes from the prompts that its `PromptLearner` makes, and its gradient in
    the context, many times faster: prompts are cut at their end token, and what all classes have in common is computed
    once. It holds no parameter and never changes the weights, so that copies of a model share its tower. Autocast and
    inference mode do not reach into it.

    Parameters
    ----------
    weights
        A checkpoint (`.pt`, `.safetensors`, or a folder as a hub's cache has it), or a model or state dict in memory
        with OpenAI's names, such as CoOp's `clip_model`.
    class_names
        The names of the classes, in the order of the labels. Underscores become spaces, and a full stop is added.
    context_vectors
        The number of context vectors, `n`. If it is given, prompts that would be too long are refused here, and contexts
        of another number in every call.
    class_position
        Where the class name goes: after the context (`"end"`), in its middle, or before it (`"front"`).
    weights_config
        What to assume of weights that do not say their activation and head width: `"openai"`, or the path of an
        `open_clip_config.json`.
    dtype, device
        The type and device that the weights are read for first. A context of another type or device has the weights read
        once more.

    Attributes
    ----------
    width : int
        Width of a context vector, `d`.
    embed_dim : int
        Width of features, `D`.
    context_length : int
        The longest prompt in tokens, with start and end (77).
    logit_scale : float
        The factor on cosines of features: the exponential of the checkpoint's `logit_scale`.
    """

    def __init__(
        self,
        weights: Weights,
        class_names: Sequence[str],
        context_vectors: int | None = None,
        *,
        class_position: ClassPosition = "end",
        weights_config: str | os.PathLike[str] | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        if isinstance(class_names, str):
            raise TypeError("class_names is one string; expected a list of names")
        if class_position not in ("end", "middle", "front"):
            raise NemesisError(f"there is no class position `{class_position}`\n  expected: end, middle or front")
        if context_vectors is not None and context_vectors < 1:
            raise NemesisError(f"context_vectors is {context_vectors}\n  expected: at least one context vector")
        self.class_position: ClassPosition = class_position
        self.context_vectors = context_vectors
        # A model in memory is read from a file, as any other; kept until the tower goes, for other types.
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        config = configuration(weights_config)
        #: What makes this tower again; a model in memory cannot be named.
        self._made_of: tuple[Any, ...] | None = None
        if isinstance(weights, (str, os.PathLike)):
            path = Path(weights).expanduser()
            made = functools.partial(
                type(self), class_position=class_position, weights_config=config, dtype=dtype, device=str(device)
            )
            self._made_of = (made, (str(path.absolute()), list(class_names), context_vectors))
        else:
            path, config = self._written(weights, config)
        self._device = torch.device(device)
        kind = str(dtype).removeprefix("torch.")
        with _out_of_inference_mode():
            self._tower = _native.Tower(path, list(class_names), config, kind, str(device))
        if context_vectors is not None:
            self._tower.check_vectors(context_vectors)
        self.width = self._tower.width
        self.embed_dim = self._tower.embed_dim
        self.context_length = self._tower.context_length
        self.logit_scale = self._tower.logit_scale

    def _written(
        self, weights: Mapping[str, torch.Tensor] | torch.nn.Module, config: str | None
    ) -> tuple[Path, str | None]:
        if isinstance(weights, torch.nn.Module):
            # OpenAI's code, and no other, has its activation in a class of this name.
            if config is None and any(type(module).__name__ == "QuickGELU" for module in weights.modules()):
                config = "openai"
            weights = weights.state_dict()
        self._folder = tempfile.TemporaryDirectory(prefix="nemesis-")
        path = Path(self._folder.name) / "weights.pt"
        with _out_of_inference_mode():
            torch.save({name: tensor.detach().cpu().clone() for name, tensor in weights.items()}, path)
        return path, config

    @property
    def class_names(self) -> list[str]:
        """The names that the tower was made for."""
        return self._tower.class_names

    def __len__(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    def __call__(self, ctx: torch.Tensor, prompts: Mapping[int, torch.Tensor] | None = None) -> torch.Tensor:
        """Text features, not normalised, differentiable in `ctx` and `prompts` by `loss.backward()`.

        Parameters
        ----------
        ctx
            `[n, d]`, one context for all classes; `[classes, n, d]`, one for each class; or `[copies, 1 or classes, n,
            d]`, several at once. Its type and device are those that features are computed in.
        prompts
            Deep prompts by layer, counted from zero and not 0, as in MaPLe: `[tokens, d]`, `[classes, tokens, d]` or
            `[copies, 1 or classes, tokens, d]`. Before the layer they take the place of the tokens behind the start token,
            without a positional embedding.

        Returns
        -------
        torch.Tensor
            `[classes, D]`, or `[copies, classes, D]` of a context with four dimensions.
        """
        for given in (ctx, *(prompts or {}).values()):
            _refuse_unfit(given)
        classes = len(self)
        if ctx.dim() == 2:
            contexts = ctx[None, None]
        elif ctx.dim() == 3 and ctx.shape[0] == classes:
            contexts = ctx[None]
        elif ctx.dim() == 4 and ctx.shape[1] in (1, classes):
            contexts = ctx
        else:
            raise NemesisError(
                f"a context has the shape {list(ctx.shape)}\n"
                f"  expected: [n, {self.width}], [{classes}, n, {self.width}] or [copies, 1 or {classes}, n, {self.width}]"
            )
        if self.context_vectors is not None and contexts.shape[2] != self.context_vectors:
            raise NemesisError(
                f"a context of {contexts.shape[2]} vectors, but the tower was made for {self.context_vectors}"
            )
        with torch.autocast(ctx.device.type, enabled=False), _out_of_inference_mode():
            features = self._tower.encode(contexts, self.class_position, None if prompts is None else dict(prompts))
        return features if ctx.dim() == 4 else features[0]

    def encode(self, prompts: Sequence[str]) -> torch.Tensor:
        """Features `[prompts, D]`, not normalised and without gradient, of whole prompts."""
        if isinstance(prompts, str):
            raise TypeError("prompts is one string; expected a list of prompts")
        with torch.autocast(self._device.type, enabled=False), _out_of_inference_mode():
            return self._tower.encode_strings(list(prompts))

    def embed(self, text: str) -> torch.Tensor:
        """Token embeddings `[tokens, d]` of a text without start and end: what CoOp's `CTX_INIT` starts from."""
        with _out_of_inference_mode():
            return self._tower.embed_text(text)

    def tokens(self) -> list[tuple[list[int], int]]:
        """For each class the tokens after its context (name, full stop, end), and how many of them are the name."""
        return self._tower.tokens()

    def __copy__(self) -> TextTower:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> TextTower:
        # Nothing in it ever changes.
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        if self._made_of is None:
            raise TypeError(
                "a text tower of a model in memory cannot be pickled; save the model with `torch.save`, and make the tower "
                "from the file"
            )
        return self._made_of

    def __repr__(self) -> str:
        return f"TextTower(classes={len(self)}, width={self.width}, embed_dim={self.embed_dim})"


@contextmanager
def _out_of_inference_mode() -> Iterator[None]:
    """What a tower makes when it is first needed, such as its weights in another type, serves later trainings, too; and
    autograd refuses tensors that were made in inference mode."""
    if torch.is_inference_mode_enabled():
        # Leaving it turns gradients on.
        with torch.inference_mode(False), torch.no_grad():
            yield
    else:
        yield


def _refuse_unfit(tensor: torch.Tensor) -> None:
    """Refuses what the native module has no words for."""
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"expected a torch.Tensor, not {type(tensor).__name__}")
    if tensor.dtype not in _DTYPES:
        raise NemesisError(
            f"contexts and prompts cannot have the type {tensor.dtype}\n"
            "  expected: float32, float64, float16 or bfloat16"
        )
    if tensor.device.type not in ("cpu", "cuda"):
        raise NemesisError(
            f"contexts and prompts cannot lie on the device `{tensor.device}`\n  expected: cpu, or cuda and a number"
        )
