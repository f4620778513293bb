"""Preprocessing against Pillow, and few-shot samples against Python's own draws."""

from __future__ import annotations

import io
import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import nemesis
import pytest
import torch
from plain import Clip

Image = pytest.importorskip("PIL.Image")
numpy = pytest.importorskip("numpy")

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def photo(width: int, height: int, seed: int = 0) -> Any:
    noise = numpy.random.default_rng(seed).integers(0, 255, (9, 7, 3), dtype=numpy.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def with_pillow(image: Any, size: int) -> torch.Tensor:
    """torchvision's `Resize`, `CenterCrop`, `ToTensor`, `Normalize`, as CLIP composes them."""
    image = image.convert("RGB")
    width, height = image.size
    short = min(width, height)
    width, height = (size if short == one else int(size * one / short) for one in (width, height))
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = round((width - size) / 2), round((height - size) / 2)
    image = image.crop((left, top, left + size, top + size))
    pixels = torch.from_numpy(numpy.array(image)).permute(2, 0, 1).float().div(255)
    return (pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


@pytest.mark.parametrize("size", [32, 224])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_files_and_pillow_images_become_what_pillow_makes_of_them(size: int, suffix: str, tmp_path: Path) -> None:
    shapes = [(300, 200), (224, 301), (50, 50)]
    paths = [tmp_path / f"{at}{suffix}" for at in range(len(shapes))]
    for path, (width, height) in zip(paths, shapes):
        photo(width, height).save(path)
    opened = [Image.open(path) for path in paths]
    expected = torch.stack([with_pillow(image, size) for image in opened])
    assert torch.equal(nemesis.preprocess(paths, size=size), expected)
    assert torch.equal(nemesis.preprocess(opened, size=size), expected)
    assert torch.equal(nemesis.preprocess(paths[0], size=size), expected[:1])


def test_a_forked_process_has_threads_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo(60, 40).save(tmp_path / "one.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    expected = nemesis.preprocess("~/one.png", size=32)
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # Threads that are not there are waited for without end.
        os._exit(0 if torch.equal(nemesis.preprocess("~/one.png", size=32), expected) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_training_views_follow_seed_epoch_and_place() -> None:
    images = [photo(60, 40), photo(60, 40)]
    view = nemesis.preprocess(images, size=32, train=(1, 0))
    assert torch.equal(view, nemesis.preprocess(images, size=32, train=(1, 0)))
    assert not torch.equal(view[0], view[1])
    assert not torch.equal(view, nemesis.preprocess(images, size=32, train=(1, 1)))
    assert nemesis.preprocess([], size=32).shape == (0, 3, 32, 32)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    data = io.BytesIO()
    photo(60, 40).save(data, "png")
    path = tmp_path / "cut.png"
    path.write_bytes(data.getvalue()[:200])
    with pytest.raises(nemesis.NemesisError, match=r"cut\.png"):
        nemesis.preprocess([path])
    with pytest.raises(nemesis.NemesisError, match=r"none\.png"):
        nemesis.preprocess([tmp_path / "none.png"])
    with pytest.raises(TypeError, match="image 1 is a int"):
        nemesis.preprocess([photo(9, 9), 3])


def configured(mean: float) -> str:
    """A whole configuration of weights, with this mean of every colour and a deviation of 1."""
    config: dict[str, Any] = {
        "activation": "quick_gelu",
        "image_head_width": 64,
        "text_head_width": 64,
        "image_epsilon": 1e-5,
        "text_epsilon": 1e-5,
        "mean": [mean] * 3,
        "std": [1.0] * 3,
        "resize": "shortest",
        "interpolation": "bicubic",
        "context_length": 77,
    }
    return json.dumps(config)


def mean_of(weights: Path, config: str | None = None) -> float:
    """The mean that the pixels of a white image were normalised with."""
    white = Image.new("RGB", (40, 40), "white")
    return 1.0 - float(nemesis.preprocess(white, weights, weights_config=config).max())


def test_a_configuration_is_read_again_when_it_has_changed(
    clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "clip.pt"
    torch.save(clip.state_dict(), weights)
    for name, mean in [("one", 0.25), ("other", 0.5)]:
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        Path("mine.json").write_text(configured(mean))
        assert mean_of(weights, "mine.json") == mean
    Path("mine.json").write_text(configured(0.125))
    assert mean_of(weights, "mine.json") == 0.125


def test_a_configuration_beside_weights_is_read_again_when_it_has_changed(clip: Clip, tmp_path: Path) -> None:
    weights = tmp_path / "open_clip_pytorch_model.bin"
    torch.save(clip.state_dict(), weights)
    for mean in (0.25, 0.5):
        (tmp_path / "open_clip_config.json").write_text(configured(mean))
        assert mean_of(weights) == mean_of(tmp_path) == mean


def test_few_shot_samples_are_those_of_pythons_random(tmp_path: Path) -> None:
    folder = tmp_path / "dtd"
    folder.mkdir()
    split: dict[str, list[tuple[str, int, str]]] = {"train": [], "val": [], "test": []}
    for label in range(47):
        for part, count in [("train", 9), ("val", 6), ("test", 2)]:
            split[part] += [(f"class{label}/{part}{at}.png", label, f"class {label}") for at in range(count)]
    (folder / "split_zhou_DescribableTextures.json").write_text(json.dumps(split))
    sample = nemesis.few_shot("dtd", 2, 3, data=tmp_path)
    draw = random.Random(3)
    for items, part, shots in [(sample.train, "train", 2), (sample.val, "val", 2)]:
        expected = []
        for label in range(47):
            expected += draw.sample([item for item in split[part] if item[1] == label], shots)
        assert [(str(item.path.relative_to((folder / "images").resolve())), item.label) for item in items] == [
            (path, label) for path, label, _ in expected
        ]
    assert len(nemesis.few_shot("dtd", "all", 3, data=tmp_path).train) == 47 * 9
    with pytest.raises(nemesis.NemesisError, match="there is no data set `dtdd`"):
        nemesis.few_shot("dtdd", 2, 3, data=tmp_path)
