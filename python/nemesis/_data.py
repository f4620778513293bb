"""Few-shot samples as CoOp draws them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from nemesis import _native
from nemesis._native import NemesisError


class Item(NamedTuple):
    """One image of a data set."""

    path: Path
    """The image file."""
    label: int
    """The class, an index into `FewShot.class_names`."""


@dataclass(frozen=True)
class FewShot:
    """What a few-shot training sees."""

    class_names: list[str]
    """Class names by label, as the data set spells them."""
    template: str
    """The zero-shot template, with `{}` in place of the class name."""
    train: list[Item]
    """`shots` images of each class, class by class in the order drawn."""
    val: list[Item]
    """Up to four images of each class; none if the data set's validation images are its test images."""


def few_shot(
    dataset: str,
    shots: int | Literal["all"],
    seed: int,
    *,
    data: str | os.PathLike[str],
    lists: str | os.PathLike[str] | None = None,
) -> FewShot:
    """The few-shot sample that CoOp draws with this seed, image for image.

    Parameters
    ----------
    dataset
        A data set's name: one of `nemesis data list`, or one of your own in the data root.
    shots
        Images per class, or `"all"`.
    seed
        The seed: 1, 2 and 3 in the published tables.
    data
        The folder that holds the data sets' folders, as CoOp expects them.
    lists
        The root of few-shot lists to take instead of drawing (`LISTS/FOLDER/split_fewshot/shot_N-seed_M.pkl`).
    """
    if shots != "all" and shots < 1:
        raise NemesisError(f"{shots} shots\n  expected: at least 1, or `all`")
    count = None if shots == "all" else shots
    names, template, train, val = _native.few_shot(
        os.path.expanduser(data), dataset, count, seed, None if lists is None else os.path.expanduser(lists)
    )
    return FewShot(names, template, _items(train), _items(val))


def _items(told: list[tuple[os.PathLike[str], int]]) -> list[Item]:
    return [Item(Path(path), label) for path, label in told]
