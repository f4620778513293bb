"""What the native module calls: imports plugins that are written in Python, and runs their methods."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import sys
import traceback
import types
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from nemesis import _native
from nemesis._about import About, Batch, FeatureSet, OptionError, Parameter, Task, parse, schema
from nemesis._native import Host, NemesisError
from nemesis.prompt import PromptLearner

__all__ = ["Batch", "asks_for_towers", "create", "describe", "explain", "make_task"]

#: The plugins that were imported, by their files: the hash of their sources and the class.
_PLUGINS: dict[Path, tuple[str, type]] = {}

#: What a method computes with, besides its own source: these modules and the native one.
_COMPUTING = ("_about.py", "_changes.py", "_method.py", "prompt.py", "norm.py", "corruption.py")


def describe(file: Path, root: Path, files: Iterable[Path], source: str) -> str:
    """Imports a plugin and returns its descriptor as JSON. `files` are all that `source` is a hash over."""
    known = _PLUGINS.get(file)
    cls = known[1] if known is not None and known[0] == source else _imported(file, root, set(files), source)
    _PLUGINS[file] = (source, cls)
    about = cast(About, vars(cls)["ABOUT"])
    return json.dumps(
        {
            "id": about.id,
            "label": about.label,
            "version": about.version,
            "summary": about.summary,
            "paper": about.paper,
            "needs": {need: need in about.needs for need in ("pixels", "features", "dense", "validation", "towers")},
            "optimisation": about.optimisation,
            "options": schema(about.options),
            "protocol": dict(about.protocol),
            "source": _fingerprint(source),
        }
    )


def _fingerprint(source: str) -> str:
    """A hash over a plugin's source and all of ours that it computes with."""
    ours = hashlib.sha256(f"{source} {_native.SOURCE}".encode())
    for name in _COMPUTING:
        ours.update((Path(__file__).parent / name).read_bytes())
    return ours.hexdigest()


def _imported(file: Path, root: Path, files: set[Path], source: str) -> type:
    """Imports a plugin's file and finds its method."""
    name = f"nemesis_plugin_{source[:16]}"
    parts = file.relative_to(root).with_suffix("").parts
    # A module of a package is imported behind its package, so that relative imports work.
    package = root / parts[0] if len(parts) > 1 else None
    first, places = (file, None) if package is None else (package / "__init__.py", [str(package)])
    spec = importlib.util.spec_from_file_location(name, first, submodule_search_locations=places)
    if spec is None or spec.loader is None:
        raise NemesisError("this file cannot be imported")
    module = importlib.util.module_from_spec(spec)
    with _alone(root, files):
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
            within = [part for part in parts[1:] if part != "__init__"]
            module = importlib.import_module(".".join([name, *within]))
        except BaseException:
            for key in [key for key in sys.modules if key == name or key.startswith(f"{name}.")]:
                del sys.modules[key]
            raise
        _refuse_unseen(root, files)
    methods = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and isinstance(vars(value).get("ABOUT"), About)
    ]
    if len(methods) != 1:
        found = ", ".join(method.__name__ for method in methods) or "none"
        raise NemesisError(f"a plugin has one class with an `ABOUT`, but this file has {found}")
    return _checked(methods[0])


@contextmanager
def _alone(root: Path, files: set[Path]) -> Iterator[None]:
    """Imports of what lies beside a plugin find it there, and leave nothing that another plugin would find."""
    beside = {file.relative_to(root).parts[0].removesuffix(".py") for file in files}

    def taken() -> dict[str, types.ModuleType]:
        return {key: value for key, value in sys.modules.items() if key.split(".")[0] in beside}

    others = taken()
    for key in others:
        del sys.modules[key]
    sys.path.insert(0, str(root))
    kept, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = kept
        sys.path.remove(str(root))
        for key in taken():
            del sys.modules[key]
        sys.modules.update(others)


def _refuse_unseen(root: Path, files: set[Path]) -> None:
    """Refuses modules from beside the plugin that its hash does not cover."""
    if root.name in ("site-packages", "dist-packages"):
        return  # What lies beside an installed package is installed, too.
    for key, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if path is None or key.startswith("nemesis_plugin_"):
            continue
        resolved = Path(path).resolve()
        if resolved in files or not resolved.is_relative_to(root):
            continue
        # What lies deeper under another name, as in a virtual environment, was not imported from here.
        if resolved.relative_to(root).parts[0].removesuffix(".py") == key.split(".")[0]:
            raise NemesisError(
                f"the plugin imports `{key}` ({resolved}) in a way that its source does not show\n"
                f"  help: write `import {key}` in it, so that a change there changes the plugin's fingerprint"
            )


def _checked(cls: type) -> type:
    about = cast(About, vars(cls)["ABOUT"])
    wanted = {"host": ["loss", "logits"], "fit": ["fit", "logits"], "none": ["logits"]}.get(about.optimisation)
    if wanted is None:
        raise NemesisError(f"`ABOUT` has the optimisation `{about.optimisation}`\n  expected: host, fit or none")
    if about.optimisation == "host" and callable(getattr(cls, "compute_gradients", None)):
        wanted = ["logits"]
    for name in wanted:
        if not callable(getattr(cls, name, None)):
            raise NemesisError(f"the method `{cls.__name__}` has no `{name}`")
    unknown = set(about.needs) - {"pixels", "features", "dense", "validation", "towers"}
    if unknown:
        raise NemesisError(
            f"`ABOUT` needs `{sorted(unknown)[0]}`\n  expected: features, dense, pixels, validation or towers"
        )
    return cls


def make_task(
    class_names: list[str],
    template: str,
    width: int,
    embed_dim: int,
    logit_scale: float,
    device: str,
    dtype: str,
    precision: str,
    epochs: int,
) -> Task:
    """The task, in torch's words."""
    kind = getattr(torch, dtype)
    return Task(class_names, template, width, embed_dim, logit_scale, torch.device(device), kind, precision, epochs)


def asks_for_towers(file: Path) -> bool:
    """Whether the method of a plugin that `describe` was called for may change something in the towers."""
    return "towers" in cast(About, vars(_PLUGINS[file][1])["ABOUT"]).needs


def create(file: Path, task: Task, options: str, host: Host) -> Adapter:
    """Creates the method of a plugin that `describe` was called for."""
    cls = _PLUGINS[file][1]
    about = cast(About, vars(cls)["ABOUT"])
    return Adapter(cls(task, parse(about.options, json.loads(options)), host))


class Adapter:
    """A method as the engine calls it: what an author may leave out is filled in here."""

    def __init__(self, method: Any) -> None:
        self.method = method

    def parameters(self) -> list[tuple[str, torch.Tensor, str, str, dict[str, float]]]:
        """Name, tensor, group, optimiser and options of each parameter."""
        return [(p.name, p.tensor, p.group, p.optimiser, dict(p.options)) for p in self._parameters()]

    def _parameters(self) -> list[Parameter]:
        own = getattr(type(self.method), "parameters", None)
        if own is not None and own is not torch.nn.Module.parameters:
            return list(self.method.parameters())
        found: dict[str, torch.Tensor]
        if isinstance(self.method, torch.nn.Module):
            found = dict(self.method.named_parameters())
        else:
            found = dict(_named_parameters(self.method))
        return [Parameter(name, tensor) for name, tensor in found.items() if tensor.requires_grad]

    def loss(self, batch: Batch, host: Host) -> torch.Tensor:
        self._mode(training=True)
        return _tensor("loss", self.method.loss(batch, host))

    def logits(self, batch: Batch, host: Host) -> torch.Tensor:
        self._mode(training=False)
        return _tensor("logits", self.method.logits(batch, host))

    def compute_gradients(self, batch: Batch, host: Host) -> torch.Tensor | None:
        own = getattr(self.method, "compute_gradients", None)
        if own is None:
            return None
        self._mode(training=True)
        loss = own(batch, host)
        return None if loss is None else _tensor("compute_gradients", loss)

    def prepare(
        self,
        train: tuple[torch.Tensor, torch.Tensor],
        val: tuple[torch.Tensor, torch.Tensor] | None,
        host: Host,
    ) -> None:
        own = getattr(self.method, "prepare", None)
        if own is not None:
            own(FeatureSet(*train), None if val is None else FeatureSet(*val), host)

    def fit(self, train: tuple[torch.Tensor, torch.Tensor], host: Host) -> None:
        self._mode(training=True)
        self.method.fit(FeatureSet(*train), host)

    def state(self) -> list[tuple[str, torch.Tensor]]:
        own = getattr(self.method, "state", None)
        state = own() if own is not None else {p.name: p.tensor for p in self._parameters()}
        return [(name, tensor.detach()) for name, tensor in dict(state).items()]

    def load_state(self, state: list[tuple[str, torch.Tensor]]) -> None:
        own = getattr(self.method, "load_state", None)
        if own is not None:
            own(dict(state))
            return
        stored = dict(state)
        for parameter in self._parameters():
            if parameter.name not in stored:
                raise NemesisError(f"the state lacks the tensor `{parameter.name}`")
            tensor = stored[parameter.name]
            if tensor.shape != parameter.tensor.shape:
                raise NemesisError(
                    f"the stored `{parameter.name}` has the shape {list(tensor.shape)}, "
                    f"but the method's has {list(parameter.tensor.shape)}"
                )
        with torch.no_grad():
            for parameter in self._parameters():
                parameter.tensor.copy_(stored[parameter.name])

    def _mode(self, *, training: bool) -> None:
        """Dropout and the like behave as in any training loop."""
        if isinstance(self.method, torch.nn.Module) and self.method.training != training:
            self.method.train(training)


def _named_parameters(method: object) -> Iterator[tuple[str, torch.Tensor]]:
    """The parameters among a method's attributes. The context of its only prompt learner is called `ctx`."""
    attributes = vars(method)
    learners = [value for value in attributes.values() if isinstance(value, PromptLearner)]
    for name, value in attributes.items():
        if isinstance(value, torch.nn.Parameter):
            yield name, value
        elif isinstance(value, torch.nn.Module):
            alone = isinstance(value, PromptLearner) and len(learners) == 1
            for part, parameter in value.named_parameters():
                yield part if alone else f"{name}.{part}", parameter


def _tensor(what: str, value: object) -> torch.Tensor:
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"`{what}` returned a {type(value).__name__}, not a tensor")
    return value


def explain(exception: BaseException) -> tuple[str, str | None, str]:
    """The kind of a failure, the option that it is about, and its text, with the traceback from the plugin on."""
    if isinstance(exception, OptionError):
        return "invalid-options", exception.option, exception.message
    kind = getattr(exception, "kind", "failed") if isinstance(exception, NemesisError) else "failed"
    if isinstance(exception, (MemoryError, torch.OutOfMemoryError)):
        kind = "out-of-memory"
    frames = [frame for frame in traceback.extract_tb(exception.__traceback__) if frame.filename != __file__]
    name = type(exception).__name__
    said = str(exception) if isinstance(exception, NemesisError) else f"{name}: {exception}".removesuffix(": ")
    if not frames:
        return kind, None, said
    lines = "".join(traceback.format_list(frames)).rstrip().splitlines()
    return kind, None, "\n".join([said, "  Traceback (most recent call last):", *(f"  {line}" for line in lines)])
