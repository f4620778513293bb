"""Prompt tuning of CLIP-like models: the fast text tower, exact preprocessing, few-shot samples, results, methods.

Tensors are PyTorch's, on its devices, and carry its autograd graph. Errors of nemesis are `NemesisError`, with the text
that the command `nemesis` prints.
"""

from nemesis import _torch as _torch  # isort: skip  (first: it loads libtorch)
from nemesis import _native, corruption, norm, prompt
from nemesis._about import About, Batch, FeatureSet, OptionError, Parameter, Task, option
from nemesis._changes import Changes, LowRank
from nemesis._data import FewShot, Item, few_shot
from nemesis._images import preprocess
from nemesis._native import Host, NemesisError, TowerSizes
from nemesis._results import learned, predictions, records
from nemesis._run import Run, run
from nemesis._tower import TextTower
from nemesis.prompt import PromptLearner, PromptOptions, cross_entropy, unit

__version__ = _native.VERSION

__all__ = [
    "About",
    "Batch",
    "Changes",
    "FeatureSet",
    "FewShot",
    "Host",
    "Item",
    "LowRank",
    "NemesisError",
    "OptionError",
    "Parameter",
    "PromptLearner",
    "PromptOptions",
    "Run",
    "Task",
    "TextTower",
    "TowerSizes",
    "__version__",
    "corruption",
    "cross_entropy",
    "few_shot",
    "learned",
    "norm",
    "option",
    "predictions",
    "preprocess",
    "prompt",
    "records",
    "run",
    "unit",
]
