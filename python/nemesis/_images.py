"""Images as CoOp's data loader prepares them, bit for bit, on all cores."""

from __future__ import annotations

import functools
import glob
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from nemesis import _native
from nemesis._weights import configuration

if TYPE_CHECKING:
    Image = str | os.PathLike[str] | Any


#: A file, when its content and when anything about it last changed, and its size.
_Stamp = tuple[str, int, int, int]


@functools.lru_cache(maxsize=16)
def _of_weights(weights: str, config: str | None, stamps: tuple[_Stamp, ...]) -> _native.Preprocess:
    return _native.Preprocess.of_weights(weights, config)


def _stamps(given: list[str]) -> tuple[_Stamp, ...]:
    """What differs once a checkpoint or a configuration, or what is read with it, has changed."""
    stamps = []
    for file in sorted({file for path in given for file in _read_with(path)}):
        try:
            status = os.stat(file)
        except OSError:
            continue  # What is wrong with a file is said in the words of the command.
        stamps.append((file, status.st_mtime_ns, status.st_ctime_ns, status.st_size))
    return tuple(stamps)


def _read_with(path: str) -> list[str]:
    """The files that may have a say in what a path is read as."""
    if os.path.isdir(path):
        # In a model of a hub's cache the files are those of a snapshot.
        folder, patterns = path, ["*", "refs/main", "snapshots/*/*"]
    else:
        # Configurations lie beside weights, and shards beside their index.
        folder, patterns = os.path.dirname(path), ["*" if path.endswith(".index.json") else "*.json"]
    found = [file for pattern in patterns for file in glob.glob(os.path.join(glob.escape(folder), pattern))]
    return [path, *found]


def _preprocess(
    weights: str | os.PathLike[str] | None, size: int, config: str | os.PathLike[str] | None
) -> _native.Preprocess:
    if weights is None:
        return _native.Preprocess.openai(size)
    path, named = os.path.abspath(os.path.expanduser(weights)), configuration(config)
    given = [path] if named is None or not os.path.isfile(named) else [path, named]
    return _of_weights(path, named, _stamps(given))


def preprocess(
    images: Image | Iterable[Image],
    weights: str | os.PathLike[str] | None = None,
    *,
    size: int = 224,
    weights_config: str | os.PathLike[str] | None = None,
    train: tuple[int, int] | None = None,
    dtype: torch.dtype = torch.float32,
) -> torch.Tensor:
    """Pixels of images, as the image tower takes them: decoded, resized and cut out as Pillow and torchvision do it, and
    normalised.

    Parameters
    ----------
    images
        A path or a Pillow image, or several of them. Files are JPEG or PNG. Pillow images are converted to RGB first,
        as CoOp's loader does.
    weights
        The checkpoint whose images they are, which says size, resizing and normalisation; without it, OpenAI's, at a
        side of `size` pixels.
    size
        Side of the square in pixels, if no weights are given.
    weights_config
        What to assume of weights that do not say it: `"openai"`, or the path of an `open_clip_config.json`.
    train
        Seed and epoch of a training view, whose random crop and flip they and the image's place in the list decide;
        without it, the test view.
    dtype
        The type of the pixels.

    Returns
    -------
    torch.Tensor
        `[images, 3, size, size]`, on the CPU.
    """
    prepare = _preprocess(weights, size, weights_config)
    given: list[Any] = (
        [images] if isinstance(images, (str, os.PathLike)) or hasattr(images, "convert") else list(images)
    )
    name = str(dtype).removeprefix("torch.")
    if all(isinstance(image, (str, os.PathLike)) for image in given):
        return prepare.files([os.path.expanduser(image) for image in given], name, train)
    decoded = []
    for at, image in enumerate(given):
        if not hasattr(image, "convert"):
            kind = type(image).__name__
            raise TypeError(f"image {at} is a {kind}; expected paths, or Pillow images, and not both in one list")
        rgb = image.convert("RGB")
        decoded.append((rgb.width, rgb.height, rgb.tobytes()))
    return prepare.images(decoded, name, train)
