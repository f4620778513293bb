"""Results: records as a table, learned contexts as tensors, predictions as arrays."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import torch
from nemesis import _native

if TYPE_CHECKING:
    import numpy
    import pandas


@overload
def records(out: str | os.PathLike[str] = ..., *, frame: Literal[False]) -> list[dict[str, Any]]: ...
@overload
def records(out: str | os.PathLike[str] = ..., *, frame: Literal[True]) -> pandas.DataFrame: ...
@overload
def records(out: str | os.PathLike[str] = ..., *, frame: None = None) -> Any: ...
def records(out: str | os.PathLike[str] = "out", *, frame: bool | None = None) -> Any:
    """The records of a folder: one row for each training and each evaluation, of all runs and versions of methods.

    Before you average over seeds, group by `recipe`, too: rows that share it differ in nothing but their seeds, and what
    these choose. `Run.records` has only what one run asked for.

    The columns are those of `nemesis cells` (docs/cells.md), with these differences: `method` is `zero-shot` if there is
    none; `options` is a dict, and `options_json` its text, which can be grouped by; `shots` is a number or `all`. Behind
    them come `recipe`, a short hash, and `record`, the whole of it. Of a training: `loss` and `losses`, the last and the
    means of all epochs, and `reported`, the values that the method reported, by name. Of an evaluation: `class_accuracy`,
    in percent by label. What a row does not have is `None`.

    Parameters
    ----------
    out
        The folder of the records, `--out` of the run.
    frame
        Whether to return a pandas DataFrame or a list of dicts; without it, a DataFrame if pandas is installed. Its whole
        numbers have the type `Int64`, which allows missing values.
    """
    return table(out, None, frame=frame)


def table(out: str | os.PathLike[str], ids: Sequence[str] | None, *, frame: bool | None) -> Any:
    """The records with these ids, or all of a folder, as `records` returns them."""
    columns = _native.columns()
    names = [name for name, _ in columns]
    whole = {name for name, is_whole in columns if is_whole}
    told = _native.records(os.path.expanduser(out), None if ids is None else list(ids))
    rows = [_row(dict(zip(names, json.loads(values))), json.loads(record)) for values, record in told]
    if frame is False:
        return rows
    try:
        import pandas
    except ImportError:
        if frame:
            raise
        return rows
    made = pandas.DataFrame(rows)
    for name in made.columns:
        values = [row[name] for row in rows]
        numbers = [value for value in values if value is not None]
        # Shots may be `all`, and a seed may be larger than pandas' numbers.
        if (name in whole or name == "shots") and all(isinstance(n, int) and n < 2**63 for n in numbers):
            made[name] = pandas.array(values, dtype="Int64")
    return made


def _row(row: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    cell, outcome = record["cell"], record["outcome"]
    is_training = record["kind"] == "training"
    trained = cell if is_training else cell["subject"].get("cell")
    method = trained["method"] if trained else cell["subject"].get("method")
    del row["schema"]
    row["method"] = row["method"] or "zero-shot"
    row["options_json"] = row["options"]
    row["options"] = method["options"] if method else {}
    row["shots"] = trained["shots"] if trained else None
    row["recipe"] = _recipe(record)
    row |= {"loss": row["last_loss"], "losses": None, "reported": None, "class_accuracy": None}
    if is_training:
        epochs = outcome["epochs"]
        names = {name for epoch in epochs for name in epoch.get("reported", {})}
        row["losses"] = [epoch["loss"] for epoch in epochs]
        row["reported"] = {name: [epoch.get("reported", {}).get(name) for epoch in epochs] for name in sorted(names)}
    else:
        row["class_accuracy"] = [
            100.0 * count["correct"] / count["total"] if count["total"] else None for count in outcome["classes"]
        ]
    row["record"] = record
    return row


def _recipe(record: dict[str, Any]) -> str:
    """A hash over all that the cell depends on but its seeds, and the few-shot sample that they choose."""
    cell = copy.deepcopy(record["cell"])
    trained = cell if record["kind"] == "training" else cell["subject"].get("cell")
    if trained:
        for name in ("seed", "initialisation", "images"):
            trained.pop(name, None)
        # That the sample came from a list is part of the recipe; which one it is follows from the seed.
        trained["sample"] = "sample" in trained
    text = json.dumps([record["kind"], cell], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def learned(id: str, out: str | os.PathLike[str] = "out", *, epoch: int | None = None) -> dict[str, torch.Tensor]:
    """What a training learned, by name, on the CPU: `learned(id)["ctx"]` is a context `[n, d]` or `[classes, n, d]`.

    `id` is that of a training, or of an evaluation of one. `epoch`, counted from one, is an earlier epoch that the
    training kept.
    """
    return dict(_native.learned(os.path.expanduser(out), id, epoch))


def predictions(id: str, out: str | os.PathLike[str] = "out") -> numpy.ndarray[Any, Any]:
    """The predicted class of each test image of an evaluation, `[images]`, in the order of the test split."""
    try:
        import numpy
    except ImportError as error:
        raise ImportError("nemesis.predictions needs numpy. Install it with `pip install numpy`") from error
    return numpy.array(_native.predictions(os.path.expanduser(out), id), dtype=numpy.int64)
