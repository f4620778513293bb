"""What a method says of itself, and the values that pass between it and the host."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Union

import torch
from nemesis._native import NemesisError

Need = Literal["features", "dense", "pixels", "validation", "towers"]
T = TypeVar("T")


class OptionError(NemesisError):
    """An option of a method has an invalid value: raise it in `__init__`, with the option's name."""

    kind = "invalid-options"

    def __init__(self, option: str, message: object) -> None:
        super().__init__(f"option `{option}`: {message}")
        self.option = option
        self.message = str(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.option, self.message)


@dataclass(frozen=True)
class About:
    """What a method is and what it asks of the host, as the class attribute `ABOUT`.

    Parameters
    ----------
    id
        The name in suites, tables and on the command line, in kebab case. It is read from the source without running
        it, so write out the string here.
    label
        The label of the method's columns in tables.
    summary
        One line that says what the method does.
    paper
        The publication, if there is one.
    options
        A dataclass whose fields are the options; see `option`.
    needs
        What batches carry: `"features"`, `"dense"`, `"pixels"`; `"validation"` for features of the few-shot validation
        sample in `prepare`; `"towers"` to encode with changes inside of the towers.
    optimisation
        Who optimises the parameters: the `"host"`, the method itself in `fit` (`"fit"`), or nobody (`"none"`).
    protocol
        What the method was published with where that differs from a run's protocol: `{"batch_size": 4, "epochs": 5}`,
        with the keys of a protocol's file.
    version
        The version of the plugin. Written out, if it is given, as `id`.
    """

    id: str
    label: str
    summary: str
    paper: str | None = None
    options: type | None = None
    needs: tuple[Need, ...] = ("features",)
    optimisation: Literal["host", "fit", "none"] = "host"
    protocol: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    version: str = "0.1.0"


def option(default: T, doc: str) -> T:
    """A field of a dataclass of options: its default, and the line that `nemesis plugin describe` shows.

    The annotation of the field is `float`, `int`, `bool`, `str`, a `Literal` of strings, or one of them `| None`.
    """
    return dataclasses.field(default=default, metadata={"help": doc})


@dataclass(frozen=True)
class Task:
    """What a method is created for: one data set, one backbone, one device."""

    class_names: list[str]
    """Class names by label, underscores already replaced by spaces."""
    template: str
    """The data set's zero-shot template, with `{}` in place of the class name."""
    width: int
    """Width of a context vector, `d`."""
    embed_dim: int
    """Width of the shared embedding space, `D`."""
    logit_scale: float
    """The factor on cosine similarities."""
    device: torch.device
    """The device of all tensors."""
    dtype: torch.dtype
    """The type of parameters and features."""
    precision: str
    """The name of the protocol's precision, such as `fp32`. Autocast is off in every call."""
    epochs: int
    """The number of training epochs."""


class Batch:
    """The inputs of one step, or of one evaluation."""

    __slots__ = ("_dense", "_features", "_pixels", "epoch", "epochs", "items", "labels", "step", "steps")

    def __init__(
        self,
        items: list[int],
        labels: torch.Tensor,
        features: torch.Tensor | None = None,
        dense: torch.Tensor | None = None,
        pixels: torch.Tensor | None = None,
        epoch: int = 0,
        epochs: int = 1,
        step: int = 0,
        steps: int = 1,
    ) -> None:
        self.items = items
        """For each row the image's index in the few-shot sample or the test split."""
        self.labels = labels
        """Labels `[images]`, 64-bit integers. Empty in an evaluation."""
        self._features, self._dense, self._pixels = features, dense, pixels
        self.epoch, self.epochs = epoch, epochs
        """The epoch, counted from zero, and how many there are."""
        self.step, self.steps = step, steps
        """The step, counted from zero over the whole training, and how many there are."""

    @property
    def features(self) -> torch.Tensor:
        """Global features `[images, D]` as they leave the image tower, not normalised."""
        return self._asked_for("features", self._features)

    @property
    def dense(self) -> torch.Tensor:
        """Dense features `[images, places, D]`, not normalised."""
        return self._asked_for("dense", self._dense)

    @property
    def pixels(self) -> torch.Tensor:
        """Normalised pixels `[images, 3, side, side]`."""
        return self._asked_for("pixels", self._pixels)

    @staticmethod
    def _asked_for(name: str, value: torch.Tensor | None) -> torch.Tensor:
        if value is None:
            raise NemesisError(f'the batch has no {name}: ask for them with `needs=("{name}",)` in `ABOUT`')
        return value


@dataclass(frozen=True)
class FeatureSet:
    """Features with labels of a whole split, for `prepare` and `fit`."""

    features: torch.Tensor
    """`[images, D]`, not normalised."""
    labels: torch.Tensor
    """`[images]`."""


@dataclass(frozen=True)
class Parameter:
    """A tensor that is trained in a way of its own, as an element of what a method's `parameters()` returns."""

    name: str
    """The name, unique within the method."""
    tensor: torch.Tensor
    """A leaf that requires a gradient."""
    group: str = "default"
    """The group whose options it shares."""
    optimiser: str = ""
    """The optimiser by name; empty for the protocol's."""
    options: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Factors and replacements for the protocol's optimiser options: `lr_scale`, `weight_decay`, `momentum`."""


@functools.cache
def hints_of(options: type | None) -> dict[str, Any]:
    """The types of a dataclass's fields. They are remembered, since the modules that name them may be out of reach later."""
    return {} if options is None else typing.get_type_hints(options)


def schema(options: type | None) -> list[dict[str, Any]]:
    """All options of a dataclass with kind, default and help."""
    if options is None:
        return []
    if not dataclasses.is_dataclass(options):
        raise NemesisError(f"the options `{options.__name__}` are not a dataclass\n  help: put `@dataclass` before it")
    hints = hints_of(options)
    described = []
    for field in dataclasses.fields(options):
        if field.default is dataclasses.MISSING:
            raise NemesisError(f"the option `{field.name}` has no default")
        if "help" not in field.metadata:
            raise NemesisError(
                f"the option `{field.name}` has no line that says what it is\n"
                f'  expected: `{field.name}: … = nemesis.option({field.default!r}, "…")`'
            )
        described.append(
            {
                "name": field.name,
                "kind": kind(field.name, hints[field.name]),
                "default": value_of(field.name, hints[field.name], field.default),
                "help": field.metadata["help"],
            }
        )
    return described


_KINDS = {bool: "true or false", int: "integer", float: "number", str: "text"}


def _parts(annotation: Any) -> tuple[Any, bool]:
    """An annotation without its `None`, and whether it had one."""
    if typing.get_origin(annotation) in (Union, types.UnionType):
        rest = [part for part in typing.get_args(annotation) if part is not type(None)]
        if len(rest) == 1:
            return rest[0], True
    return annotation, False


def kind(name: str, annotation: Any) -> str:
    """The type of an option as a user would say it."""
    plain, optional = _parts(annotation)
    if typing.get_origin(plain) is Literal:
        words = [f"`{word}`" for word in typing.get_args(plain)]
        said = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
    elif plain in _KINDS:
        said = _KINDS[plain]
    else:
        raise NemesisError(
            f"the option `{name}` has the type `{annotation}`\n"
            "  expected: float, int, bool, str, a Literal of strings, or one of them | None"
        )
    return f"{said} or null" if optional else said


def value_of(name: str, annotation: Any, value: Any) -> Any:
    """The value of an option, in its own type."""
    plain, optional = _parts(annotation)
    if value is None and optional:
        return None
    if typing.get_origin(plain) is Literal:
        if value in typing.get_args(plain) and isinstance(value, str):
            return value
    elif plain is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    elif plain in _KINDS and type(value) is plain:
        return value
    raise OptionError(name, f"{value!r} is not {kind(name, annotation)}")


def parse(options: type | None, given: Mapping[str, Any]) -> Any:
    """The options object of a map. What is not given keeps its default."""
    known = [] if options is None else [field.name for field in dataclasses.fields(options)]
    for name in given:
        if name not in known:
            raise OptionError(name, f"it is unknown; the known options are: {', '.join(known) or 'none'}")
    if options is None:
        return None
    hints = hints_of(options)
    return options(**{name: value_of(name, hints[name], value) for name, value in given.items()})
