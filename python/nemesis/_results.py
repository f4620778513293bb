"""Results: records as a table, learned contexts as tensors, predictions as arrays."""

from __future__ import annotations

import json
import os
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
    """The records of a folder: one row for each training and each evaluation.

    Columns of both: `id`, `kind` (`training` or `evaluation`), `dataset`, `method` (`zero-shot` if there is none),
    `options`, `shots`, `seed`, `initialisation`, `protocol`, `precision`, `backbone`, `seconds`, and `record`, the whole
    of it.

    Of a training: `loss` and `losses`, the last and the means of all epochs; `reported`, the values that the method
    reported, by name; `state`, the hash of what was learned.

    Of an evaluation: `training`, the id of the training; `trained_on`, its data set; `accuracy` in percent, `correct` and
    `total`; `class_accuracy`, in percent by label; `classes`, `all`, `base` or `new`; `epoch` and `corruption`, if the
    state was that of an earlier epoch, or its context was corrupted.

    Parameters
    ----------
    out
        The folder of the records, `--out` of the run.
    frame
        Whether to return a pandas DataFrame or a list of dicts; without it, a DataFrame if pandas is installed.
    """
    rows = [_row(json.loads(text), training) for text, training in _native.records(out)]
    if frame is False:
        return rows
    try:
        import pandas
    except ImportError:
        if frame:
            raise
        return rows
    return pandas.DataFrame(rows)


def _row(record: dict[str, Any], training: str | None) -> dict[str, Any]:
    cell, outcome, provenance = record["cell"], record["outcome"], record["provenance"]
    is_training = record["kind"] == "training"
    trained = cell if is_training else cell["subject"].get("cell")
    method = trained["method"] if trained else cell["subject"].get("method")
    row: dict[str, Any] = {
        "id": record["id"],
        "kind": record["kind"],
        "dataset": cell["dataset"],
        "method": method["id"] if method else "zero-shot",
        "options": method["options"] if method else {},
        "shots": trained["shots"] if trained else None,
        "seed": trained["seed"] if trained else None,
        "initialisation": trained.get("initialisation", trained["seed"]) if trained else None,
        "classes": cell["classes"],
        "protocol": cell["protocol"].get("name"),
        "precision": cell["precision"],
        "backbone": _name_of(provenance.get("backbone")),
        "seconds": provenance["seconds"],
    }
    if is_training:
        losses = [epoch["loss"] for epoch in outcome["epochs"]]
        names = {name for epoch in outcome["epochs"] for name in epoch.get("reported", {})}
        row["loss"] = losses[-1] if losses else None
        row["losses"] = losses
        row["reported"] = {n: [e.get("reported", {}).get(n) for e in outcome["epochs"]] for n in sorted(names)}
        row["state"] = outcome["state"]
    else:
        row["training"] = training
        row["trained_on"] = trained["dataset"] if trained else None
        row["epoch"] = cell.get("epoch")
        row["corruption"] = cell["corruption"]
        row["limit"] = cell["limit"]
        for key in ("accuracy", "correct", "total"):
            row[key] = outcome[key]
        row["class_accuracy"] = [
            100.0 * count["correct"] / count["total"] if count["total"] else None for count in outcome["classes"]
        ]
    row["record"] = record
    return row


def _name_of(backbone: dict[str, str] | None) -> str | None:
    return None if backbone is None else backbone.get("known_as") or backbone.get("shape")


def learned(id: str, out: str | os.PathLike[str] = "out", *, epoch: int | None = None) -> dict[str, torch.Tensor]:
    """What a training learned, by name, on the CPU: `learned(id)["ctx"]` is a context `[n, d]` or `[classes, n, d]`.

    `id` is that of a training, or of an evaluation of one. `epoch`, counted from one, is an earlier epoch that the
    training kept.
    """
    return dict(_native.learned(out, id, epoch))


def predictions(id: str, out: str | os.PathLike[str] = "out") -> numpy.ndarray[Any, Any]:
    """The predicted class of each test image of an evaluation, `[images]`, in the order of the test split."""
    return torch.tensor(_native.predictions(out, id), dtype=torch.int64).numpy()
