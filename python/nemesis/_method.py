"""What the native module calls: imports plugins that are written in Python, and runs their methods."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import random
import sys
import traceback
import types
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from nemesis import _native
from nemesis._about import About, Batch, FeatureSet, OptionError, Parameter, Task, hints_of, parse, schema
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
        # Types that are written as strings are looked up in their module, which may be a helper that is found only here.
        hints_of(cast(About, vars(methods[0])["ABOUT"]).options)
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
    with _seeded(host, "create", task.device):
        method = cls(task, parse(about.options, json.loads(options)), host)
    return Adapter(method, task.device)


@contextmanager
def _seeded(host: Host, call: str, device: torch.device, index: int = 0) -> Iterator[None]:
    """Makes what torch, `random` and numpy draw a pure function of the cell's seed, the call and its `index`. Otherwise it
    would depend on what the process has computed before."""
    (seed,) = host.random(f"torch.{call}", index, 1)
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed & 0xFFFFFFFF)
    generators = [torch.default_generator]
    if device.type == "cuda":
        torch.cuda.init()
        generators.append(torch.cuda.default_generators[device.index or 0])
    # The host's libtorch is the same one, whose state is not for a method to change. The other two have no other user, and
    # to put back numpy's takes longer than all of this.
    states = [generator.get_state() for generator in generators]
    for generator in generators:
        generator.manual_seed(seed)
    try:
        yield
    finally:
        for generator, state in zip(generators, states):
            generator.set_state(state)


class Adapter:
    """A method as the engine calls it: what an author may leave out is filled in here."""

    def __init__(self, method: Any, device: torch.device) -> None:
        self.method = method
        self._device = device
        #: Whether modules are in training mode, as far as it is known.
        self._training: bool | None = None
        #: Buffers as they were made. Those that still have these values are not learned.
        self._made = {name: buffer.detach().clone() for name, buffer in self._buffers().items()}

    def parameters(self) -> list[tuple[str, torch.Tensor, str, str, dict[str, float]]]:
        """Name, tensor, group, optimiser and options of each parameter."""
        return [(p.name, p.tensor, p.group, p.optimiser, dict(p.options)) for p in self._parameters()]

    def _parameters(self) -> list[Parameter]:
        own = getattr(type(self.method), "parameters", None)
        if own is not None and own is not torch.nn.Module.parameters:
            return list(self.method.parameters())
        named = self.method.named_parameters() if self._is_module() else _named_parameters(self.method)
        return [Parameter(name, tensor) for name, tensor in named if tensor.requires_grad]

    def _is_module(self) -> bool:
        return isinstance(self.method, torch.nn.Module)

    def _buffers(self) -> dict[str, torch.Tensor]:
        """The persistent buffers of modules, by names like those of parameters."""
        roots = [("", self.method)] if self._is_module() else _named_modules(self.method)
        found: dict[str, torch.Tensor] = {}
        for prefix, root in roots:
            for path, module in root.named_modules(prefix=prefix):
                for name, buffer in module._buffers.items():
                    if buffer is not None and name not in module._non_persistent_buffers_set:
                        found[f"{path}.{name}".lstrip(".")] = buffer
        return found

    def loss(self, batch: Batch, host: Host) -> torch.Tensor:
        self._mode(training=True)
        with _seeded(host, "loss", self._device, batch.step):
            return _tensor("loss", self.method.loss(batch, host))

    def logits(self, batch: Batch, host: Host) -> torch.Tensor:
        self._mode(training=False)
        with _seeded(host, "logits", self._device):
            return _tensor("logits", self.method.logits(batch, host))

    def compute_gradients(self, batch: Batch, host: Host) -> torch.Tensor | None:
        own = getattr(self.method, "compute_gradients", None)
        if own is None:
            return None
        self._mode(training=True)
        with _seeded(host, "compute_gradients", self._device, batch.step):
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
            with _seeded(host, "prepare", self._device):
                own(FeatureSet(*train), None if val is None else FeatureSet(*val), host)
            # It may have made modules.
            self._training = None

    def fit(self, train: tuple[torch.Tensor, torch.Tensor], host: Host) -> None:
        self._mode(training=True)
        with _seeded(host, "fit", self._device):
            self.method.fit(FeatureSet(*train), host)
        self._training = None

    def state(self) -> list[tuple[str, torch.Tensor]]:
        own = getattr(self.method, "state", None)
        state = own() if own is not None else {**self._changed_buffers(), **self._learned()}
        return [(name, tensor.detach()) for name, tensor in dict(state).items()]

    def _learned(self) -> dict[str, torch.Tensor]:
        return {parameter.name: parameter.tensor for parameter in self._parameters()}

    def _changed_buffers(self) -> dict[str, torch.Tensor]:
        """The buffers that training has changed, such as running means. Others follow from the task, as the features of
        hand-written prompts do: stored, they would take the place of those of the classes that are tested."""
        made = self._made
        return {
            name: buffer
            for name, buffer in self._buffers().items()
            if name not in made or not torch.equal(made[name], buffer)
        }

    def load_state(self, state: list[tuple[str, torch.Tensor]]) -> None:
        own = getattr(self.method, "load_state", None)
        if own is not None:
            own(dict(state))
            return
        stored, learned, buffers = dict(state), self._learned(), self._buffers()
        for name in learned:
            if name not in stored:
                raise NemesisError(f"the state lacks the tensor `{name}`")
        for name in stored:
            if name not in learned and name not in buffers:
                raise NemesisError(
                    f"the state has the tensor `{name}`, but the method has none\n"
                    "  help: make all that is learned in `__init__`, or write `state` and `load_state`"
                )
        for name, tensor in [*buffers.items(), *learned.items()]:
            if name in stored and stored[name].shape != tensor.shape:
                raise NemesisError(
                    f"the stored `{name}` has the shape {list(stored[name].shape)}, "
                    f"but the method's has {list(tensor.shape)}"
                )
        with torch.no_grad():
            for name, buffer in buffers.items():
                value = stored.get(name, self._made.get(name))
                if value is not None:
                    buffer.copy_(value)
            for name, tensor in learned.items():
                tensor.copy_(stored[name])

    def _mode(self, *, training: bool) -> None:
        """Dropout and the like behave as in any training loop."""
        if self._is_module():
            if self.method.training != training:
                self.method.train(training)
        elif self._training != training:
            for _, module in _named_modules(self.method):
                module.train(training)
            self._training = training


def _parts(method: object) -> list[tuple[str, torch.nn.Parameter | torch.nn.Module]]:
    """The parameters and modules among a method's attributes, each once, also those in lists, tuples and dicts. The only
    prompt learner has no name, so that its context is called `ctx`."""
    found: list[tuple[str, torch.nn.Parameter | torch.nn.Module]] = []
    seen: set[int] = set()

    def walk(name: str, value: object) -> None:
        if not isinstance(value, (torch.nn.Parameter, torch.nn.Module, list, tuple, Mapping)) or id(value) in seen:
            return
        seen.add(id(value))
        if isinstance(value, (torch.nn.Parameter, torch.nn.Module)):
            found.append((name, value))
            return
        for key, one in value.items() if isinstance(value, Mapping) else enumerate(value):
            walk(f"{name}.{key}", one)

    for name, value in vars(method).items():
        walk(name, value)
    learners = [part for _, part in found if isinstance(part, PromptLearner)]
    return [("" if len(learners) == 1 and part is learners[0] else name, part) for name, part in found]


def _named_modules(method: object) -> list[tuple[str, torch.nn.Module]]:
    """The modules among a method's attributes."""
    return [(name, part) for name, part in _parts(method) if isinstance(part, torch.nn.Module)]


def _named_parameters(method: object) -> Iterator[tuple[str, torch.Tensor]]:
    """The parameters among a method's attributes, each once."""
    seen: set[int] = set()
    names: set[str] = set()
    for name, part in _parts(method):
        for path, parameter in [(name, part)] if isinstance(part, torch.nn.Parameter) else part.named_parameters(name):
            if id(parameter) in seen:
                continue
            if path in names:
                raise NemesisError(
                    f"two parameters are called `{path}`\n  help: give one of the attributes another name"
                )
            seen.add(id(parameter))
            names.add(path)
            yield path, parameter


def _tensor(what: str, value: object) -> torch.Tensor:
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"`{what}` returned a {type(value).__name__}, not a tensor")
    return value


def explain(exception: BaseException) -> tuple[str, str | None, str]:
    """The kind of a failure, the option that it is about, and its text, with the traceback from the plugin on."""
    if isinstance(exception, OptionError):
        return exception.kind, exception.option, exception.message
    kind = exception.kind if isinstance(exception, NemesisError) else "failed"
    if isinstance(exception, (MemoryError, torch.OutOfMemoryError)):
        kind = "out-of-memory"
    name = type(exception).__name__
    said = str(exception) if isinstance(exception, NemesisError) else f"{name}: {exception}".removesuffix(": ")
    said = "\n".join([said, *getattr(exception, "__notes__", [])])
    told = traceback.TracebackException.from_exception(exception)
    if not _without_our_frames(told):
        return kind, None, said
    # What the exception itself says is said first.
    text = "".join(told.format()).removesuffix("".join(told.format_exception_only()))
    return kind, None, "\n".join([said, *(f"  {line}" for line in text.rstrip().splitlines())])


def _without_our_frames(told: traceback.TracebackException) -> bool:
    """Leaves this file out of a traceback and of those of its causes. Returns whether anything is left."""
    frames = [frame for frame in told.stack if frame.filename != __file__]
    told.stack = traceback.StackSummary.from_list(frames)
    causes = [one for one in (told.__cause__, told.__context__) if one is not None]
    return any([_without_our_frames(one) for one in causes]) or bool(frames)
