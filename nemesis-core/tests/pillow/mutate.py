"""Makes damaged JPEG and PNG files and records what Pillow makes of each. Needs Pillow alone.

    python3 mutate.py --kind jpeg --count 10000 --seed 1 --out damaged-jpeg.zip

`cargo xtask campaign images` does that for both kinds and compares. The committed archives were made with `--count 3000
--pick 160`.

The archive holds the files and `verdicts.tsv`: a line `# Pillow VERSION …`, then for each file its name, `accept` or
`refuse`, width, height, the SHA-256 of the bytes of `Image.open(file).convert("RGB")`, and Pillow's message where it
refuses. Every third file is damaged in more than one place. The same arguments make the same files.
"""

import argparse
import hashlib
import io
import random
import struct
import warnings
import zipfile
import zlib

import damage_jpeg
import damage_png
import PIL
from PIL import Image, features

warnings.simplefilter("ignore")
KINDS = {"jpeg": damage_jpeg, "png": damage_png}
ENDINGS = {"jpeg": "jpg", "png": "png"}


def verdict(data):
    """What Pillow says of a file: the columns after its name."""
    try:
        image = Image.open(io.BytesIO(data))
        if image.format not in ("JPEG", "MPO", "PNG"):
            return ["refuse", "", "", "", f"a {image.format} file"]
        image = image.convert("RGB")
    except Exception as error:
        message = " ".join(f"{type(error).__name__}: {error}".split(" <_io")[0].split())
        return ["refuse", "", "", "", message[:120]]
    return ["accept", str(image.width), str(image.height), hashlib.sha256(image.tobytes()).hexdigest(), ""]


def make(kind, count, seed):
    """Names and bytes of `count` damaged files."""
    module = KINDS[kind]
    seeds = module.seeds()
    names = list(seeds)
    for n in range(count):
        # A generator a file, so that a longer campaign begins with a shorter one's files.
        draw = random.Random(f"{kind} {seed} {n}")
        name = draw.choices(names, [seeds[name][0] for name in names])[0]
        data = seeds[name][1]
        what = []
        for _ in range(draw.choice([1, 1, 1, 1, 2, 3])):
            damage = draw.choice(module.DAMAGES)
            if len(data) < 3:
                # An earlier damage cut off everything.
                break
            try:
                data = damage(draw, data)
            except (IndexError, KeyError, StopIteration, ValueError, struct.error, zlib.error):
                # What an earlier damage left no longer has the place that this one looks for.
                data = module.DAMAGES[0](draw, data)
            what.append(damage.__name__)
        yield f"{n:05}-{name}-{'-'.join(what)}.{ENDINGS[kind]}", data


def pick(files, count):
    """At most so many files, small ones of every damage and every answer in turn."""
    groups = {}
    for file in sorted(files, key=lambda file: len(file[1])):
        damage = file[0].rsplit(".", 1)[0].rsplit("-", 1)[1]
        groups.setdefault((damage, file[2][0], file[2][4].split(":")[0]), []).append(file)
    # What Pillow reads tells most: there are pixels to compare.
    order = sorted(groups.values(), key=lambda group: group[0][2][0])
    turns = [group[n] for n in range(count) for group in order if n < len(group)]
    return sorted(turns[:count])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=list(KINDS), required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pick", type=int, help="keep so many of the files, the most telling ones")
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    version = f"# Pillow {PIL.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}, zlib {features.version('zlib')}"
    files = ((name, data, verdict(data)) for name, data in make(options.kind, options.count, options.seed))
    if options.pick:
        files = pick(list(files), options.pick)
    lines, accepted = [version], 0
    with zipfile.ZipFile(options.out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, columns in files:
            accepted += columns[0] == "accept"
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
            lines.append("\t".join([name, *columns]))
        archive.writestr(zipfile.ZipInfo("verdicts.tsv"), "\n".join(lines) + "\n", zipfile.ZIP_DEFLATED)
    print(f"{options.kind}: {accepted} of {len(lines) - 1} accepted by Pillow ({version[2:]})")


if __name__ == "__main__":
    main()
