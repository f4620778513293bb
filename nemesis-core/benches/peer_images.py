"""The work of the bench `images` in Pillow and torchvision: `python3 peer_images.py FOLDER [PROCESSES]`.

Decodes, resizes and cuts out the JPEG files below FOLDER (at most a thousand, spread evenly), read into memory before,
in as many processes as PyTorch's data loader would use workers, and prints images per second: the median of five runs.
"""

import io
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
WORK = {"decode": lambda image: image, "decode, test image": TEST, "decode, training image": TRAIN}
FILES = []


def run(job):
    work, start, step = job
    for data in FILES[start::step]:
        WORK[work](Image.open(io.BytesIO(data)).convert("RGB"))


def main():
    processes = int(sys.argv[2]) if len(sys.argv) > 2 else multiprocessing.cpu_count()
    paths = sorted(pathlib.Path(sys.argv[1]).rglob("*.jpg"))
    FILES.extend(path.read_bytes() for path in paths[:: max(1, -(-len(paths) // 1000))])
    torch.set_num_threads(1)
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for work in WORK:
            jobs = [(work, start, processes) for start in range(processes)]
            times = []
            for _ in range(5):
                start = time.perf_counter()
                pool.map(run, jobs, chunksize=1)
                times.append(time.perf_counter() - start)
            print(f"{work}: {len(FILES) / statistics.median(times):.0f} images/s in {processes} processes")


if __name__ == "__main__":
    main()
