"""The work of `nemesis bench images` in Pillow and torchvision: `python3 peer_images.py FOLDER [PROCESSES]`.

Decodes, resizes and cuts out the JPEG files below FOLDER (at most a thousand, spread evenly), read into memory before,
in as many processes as PyTorch's data loader would use workers, and prints one JSON line: seconds for all images, the
median of three times, and the SHA-256 of the pixels of all test images in order.
"""

import hashlib
import io
import json
import multiprocessing
import pathlib
import statistics
import sys
import time

import torch
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode

BICUBIC = InterpolationMode.BICUBIC
TEST = transforms.Compose([transforms.Resize(224, BICUBIC), transforms.CenterCrop(224)])
TRAIN = transforms.Compose([transforms.RandomResizedCrop(224, interpolation=BICUBIC), transforms.RandomHorizontalFlip()])
FILES = []


def run(job):
    work, start, step = job
    for data in FILES[start::step]:
        work(Image.open(io.BytesIO(data)).convert("RGB"))


def main():
    processes = int(sys.argv[2]) if len(sys.argv) > 2 else multiprocessing.cpu_count()
    paths = sorted(pathlib.Path(sys.argv[1]).rglob("*.jpg"))
    FILES.extend(path.read_bytes() for path in paths[:: max(1, -(-len(paths) // 1000))])
    torch.set_num_threads(1)
    pixels = hashlib.sha256()
    for data in FILES:
        pixels.update(TEST(Image.open(io.BytesIO(data)).convert("RGB")).tobytes())
    result = {"count": len(FILES), "pixels": pixels.hexdigest()}
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for name, work in (("test_seconds", TEST), ("training_seconds", TRAIN)):
            jobs = [(work, start, processes) for start in range(processes)]
            times = []
            for _ in range(3):
                start = time.perf_counter()
                pool.map(run, jobs, chunksize=1)
                times.append(time.perf_counter() - start)
            result[name] = statistics.median(times)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
