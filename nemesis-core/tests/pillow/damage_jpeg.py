"""Whole JPEG files of every kind that Pillow reads, and what can happen to them."""

import io
import math
import pathlib
import random
import struct

from PIL import Image

SEEDS = pathlib.Path(__file__).parent / "seeds"
SOF = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))


def picture(width, height, noise=6, seed=1):
    """Smooth colours with a hard edge and some noise."""
    draw = random.Random(seed)
    out = bytearray()
    for y in range(height):
        for x in range(width):
            rgb = (9 * x + 3 * y, 255 - 8 * y - x, 128 + 100 * math.sin(x / 3 + y / 5))
            if (x - width / 2) ** 2 + (y - height / 2) ** 2 < width:
                rgb = (250, 30, 60)
            out += bytes(int(min(255, max(0, v + draw.uniform(-noise, noise)))) for v in rgb)
    return Image.frombytes("RGB", (width, height), bytes(out))


def encode(image, **options):
    out = io.BytesIO()
    image.save(out, "jpeg", **{"quality": 85, **options})
    return out.getvalue()


def segments(data):
    """(marker, start, end) of every segment; of a scan, the entropy-coded data too. Starts at the 0xFF."""
    out, at = [(0xD8, 0, 2)], 2
    while at + 1 < len(data):
        if data[at] != 0xFF:
            raise ValueError("no marker")
        marker = data[at + 1]
        if marker == 0xD9:
            return [*out, (marker, at, at + 2)]
        end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        if marker == 0xDA:
            while end + 1 < len(data) and not (data[end] == 0xFF and data[end + 1] and not 0xD0 <= data[end + 1] <= 0xD7):
                end += 1
        out.append((marker, at, end))
        at = end
    return out


def patched(data, marker, offset, value):
    """A byte of the first segment of a kind changed; offset 0 is the first byte of its length."""
    at = next(start for kind, start, _ in segments(data) if kind == marker) + 2 + offset
    return data[:at] + bytes([value]) + data[at + 1 :]


def without(data, marker):
    return b"".join(data[start:end] for kind, start, end in segments(data) if kind != marker)


def lossless(image, predictor=1, restart_rows=0):
    """Spatial prediction (SOF3), which Pillow cannot write; differences of up to 8 bits, coded in 4 bits each length."""
    bands, (width, height) = image.split(), image.size
    planes = [list(band.get_flattened_data() if hasattr(band, "get_flattened_data") else band.getdata()) for band in bands]
    bits = ""
    body = bytearray()

    def flush(bits):
        bits += "1" * (-len(bits) % 8)
        for i in range(0, len(bits), 8):
            value = int(bits[i : i + 8], 2)
            body.append(value)
            if value == 0xFF:
                body.append(0)
        return ""

    first = 0
    for y in range(height):
        if restart_rows and y and y % restart_rows == 0:
            bits = flush(bits)
            body += bytes([0xFF, 0xD0 + (y // restart_rows - 1) % 8])
            first = y
        for x in range(width):
            for plane in planes:
                at = lambda dx, dy: plane[(y + dy) * width + x + dx]
                if y == first:
                    guess = at(-1, 0) if x else 128
                elif x == 0:
                    guess = at(0, -1)
                else:
                    a, b, c = at(-1, 0), at(0, -1), at(-1, -1)
                    guess = [0, a, b, c, a + b - c, a + ((b - c) >> 1), b + ((a - c) >> 1), (a + b) >> 1][predictor]
                value = plane[y * width + x] - guess
                size = abs(value).bit_length()
                bits += format(size, "04b")
                if size:
                    bits += format(value if value > 0 else value + (1 << size) - 1, f"0{size}b")
    flush(bits)
    count = len(planes)
    segment = lambda marker, data: bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data
    frame = struct.pack(">BHHB", 8, height, width, count) + b"".join(bytes([82 + n, 0x11, 0]) for n in range(count))
    frame = frame if count != 3 else frame[:6] + bytes([82, 0x11, 0, 71, 0x11, 0, 66, 0x11, 0])
    ids = [82, 71, 66] if count == 3 else [82 + n for n in range(count)]
    # Fifteen lengths of four bits; sixteen codes would be one too many.
    table = b"\0" + bytes([0, 0, 0, 15] + [0] * 12) + bytes(range(15))
    scan = bytes([count]) + b"".join(bytes([i, 0]) for i in ids) + bytes([predictor, 0, 0])
    restart = segment(0xDD, struct.pack(">H", restart_rows * width)) if restart_rows else b""
    return b"\xff\xd8" + segment(0xC3, frame) + segment(0xC4, table) + restart + segment(0xDA, scan) + bytes(body) + b"\xff\xd9"


def separate_scans(data):
    """A sequential file of three components at full resolution, each in a scan of its own, all of them grey."""
    luma = Image.open(io.BytesIO(data)).convert("L")
    grey = encode(luma, quality=90)
    parts = {kind: grey[start:end] for kind, start, end in segments(grey)}
    frame = bytearray(parts[0xC0])
    frame = bytes(frame[:2]) + struct.pack(">H", 17) + bytes(frame[4:9]) + bytes([3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0])
    tables = b"".join(grey[start:end] for kind, start, end in segments(grey) if kind in (0xE0, 0xDB, 0xC4))
    scan = parts[0xDA]
    scans = b"".join(scan[:5] + bytes([n]) + scan[6:] for n in (1, 2, 3))
    return b"\xff\xd8" + tables + frame + scans + b"\xff\xd9"


def seeds():
    """Weights and bytes by name."""
    image = picture(37, 29)
    square = picture(48, 48)
    cmyk = encode(Image.merge("CMYK", (*picture(29, 21).split(), picture(29, 21, seed=2).convert("L"))), quality=90)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x011A], exif[0x0128] = 6, "maker", 72.0, 2
    extended = patched(encode(image), 0xC0, -1, 0xC1)
    progressive = encode(image, progressive=True)
    out = {
        "rgb420": (6, encode(image)),
        "rgb422": (4, encode(image, subsampling=1)),
        "rgb444": (4, encode(image, subsampling=0, quality=95)),
        "rgb411": (2, patched(encode(picture(64, 16), subsampling=1), 0xC0, 9, 0x41)),
        "rgb440": (2, patched(encode(square, subsampling=1), 0xC0, 9, 0x12)),
        "narrow": (1, encode(picture(4, 30))),
        "progressive": (6, progressive),
        "progressive422": (2, encode(square, progressive=True, subsampling=1)),
        "progressive444": (3, encode(square, progressive=True, subsampling=0)),
        "progressive-grey": (2, encode(image.convert("L"), progressive=True)),
        "progressive-restarts": (2, encode(square, progressive=True, restart_marker_blocks=2)),
        "restarts": (3, encode(square, restart_marker_blocks=1)),
        "restarts444": (2, encode(square, subsampling=0, restart_marker_rows=1)),
        "optimised": (2, encode(image, optimize=True, quality=30)),
        "grey": (3, encode(image.convert("L"))),
        "grey-sampled": (1, patched(encode(image.convert("L")), 0xC0, 9, 0x22)),
        "separate": (2, separate_scans(encode(image))),
        "rgb": (2, encode(image, keep_rgb=True)),
        "cmyk": (3, cmyk),
        "cmyk-plain": (1, without(cmyk, 0xEE)),
        "ycck": (2, patched(cmyk, 0xEE, 13, 2)),
        "extended": (1, extended),
        "standard-tables": (1, without(encode(image), 0xC4)),
        "exif": (2, without(encode(image, exif=exif, comment=b"a comment"), 0xE0)),
        "icc": (1, encode(image, icc_profile=bytes(range(200)), comment=b"a comment")),
        "lossless": (1, lossless(picture(19, 13), 1)),
        "lossless-grey": (1, lossless(picture(19, 13).convert("L"), 4)),
        "lossless-restarts": (1, lossless(picture(19, 13).convert("L"), 7, 4)),
        # Longer than what Pillow reads at once.
        "long": (0.15, encode(picture(260, 200, noise=90), quality=98, subsampling=0)),
        "long-progressive": (0.1, encode(picture(260, 200, noise=90), quality=98, progressive=True, subsampling=0)),
        "tables-first": (1, tables_first(encode(image))),
    }
    mpo = io.BytesIO()
    image.save(mpo, "mpo", save_all=True, append_images=[square])
    out["mpo"] = (1, mpo.getvalue())
    # Pillow reads arithmetic coding and does not write it.
    for path in sorted(SEEDS.glob("*.jpg")):
        out[path.stem] = (2, path.read_bytes())
    return out


def tables_first(data):
    """The tables in a stream of their own, before that of the image."""
    parts = segments(data)
    tables = b"".join(data[start:end] for kind, start, end in parts if kind in (0xDB, 0xC4))
    rest = b"".join(data[start:end] for kind, start, end in parts if kind not in (0xDB, 0xC4))
    return b"\xff\xd8" + tables + b"\xff\xd9" + rest


# Damage.


def replace(data, at, new, length=None):
    return data[:at] + new + data[at + (len(new) if length is None else length) :]


def any_byte(draw):
    return draw.choice([draw.randrange(256), draw.randrange(256), 0, 0xFF, 1, 0x7F, 0x80])


def pick(draw, data, kinds):
    found = [part for part in segments(data) if part[0] in kinds]
    return draw.choice(found)


def scan_data(draw, data):
    """Where the entropy-coded data of a scan begin and end."""
    _, start, end = pick(draw, data, (0xDA,))
    return start + 2 + struct.unpack_from(">H", data, start + 2)[0], end


def flip_bit(draw, data):
    at = draw.randrange(2, len(data))
    return replace(data, at, bytes([data[at] ^ 1 << draw.randrange(8)]))


def set_byte(draw, data):
    return replace(data, draw.randrange(2, len(data)), bytes([any_byte(draw)]))


def header(draw, data):
    end = scan_data(draw, data)[0]
    return replace(data, draw.randrange(2, end), bytes([any_byte(draw)]))


def quantisation(draw, data):
    _, start, end = pick(draw, data, (0xDB,))
    for _ in range(draw.choice([1, 1, 3, 30])):
        data = replace(data, draw.randrange(start + 5, end), bytes([any_byte(draw)]))
    return data


def quantisation_first(draw, data):
    _, start, _ = pick(draw, data, (0xDB,))
    return replace(data, start + 5, bytes([any_byte(draw)]))


def huffman(draw, data):
    _, start, end = pick(draw, data, (0xC4,))
    return replace(data, draw.randrange(start + 4, end), bytes([any_byte(draw)]))


def huffman_values(draw, data):
    _, start, end = pick(draw, data, (0xC4,))
    for _ in range(draw.choice([1, 3, 10])):
        data = replace(data, draw.randrange(start + 21, end), bytes([any_byte(draw)]))
    return data


def entropy(draw, data):
    start, end = scan_data(draw, data)
    for _ in range(draw.choice([1, 1, 2, 5])):
        at = draw.randrange(start, end)
        data = replace(data, at, bytes([data[at] ^ 1 << draw.randrange(8)]))
    return data


def entropy_run(draw, data):
    start, end = scan_data(draw, data)
    length = draw.randrange(1, 30)
    new = draw.choice([bytes(length), b"\xff" * length, draw.randbytes(length), b"\xff\0" * length])
    return replace(data, draw.randrange(start, end), new)


def truncate(draw, data):
    return data[: draw.randrange(3, len(data))]


def truncate_end(draw, data):
    return data[: -draw.randrange(1, 14)]


def truncate_and_end(draw, data):
    return data[: draw.randrange(3, len(data))] + b"\xff\xd9"


def insert(draw, data):
    at = draw.randrange(2, len(data))
    return replace(data, at, draw.randbytes(draw.randrange(1, 6)), 0)


def delete(draw, data):
    return replace(data, draw.randrange(2, len(data)), b"", draw.choice([1, 2, 5, 40]))


def insert_marker(draw, data):
    start, end = scan_data(draw, data)
    marker = draw.choice([0xD9, 0xD8, 0xDA, 0xC4, 0xDB, 0xFE, 0x01, 0x02, *range(0xD0, 0xD8), draw.randrange(256)])
    return replace(data, draw.randrange(start, end + 1), bytes([0xFF, marker]), draw.choice([0, 2]))


def marker_code(draw, data):
    _, start, _ = draw.choice(segments(data))
    return replace(data, start + 1, bytes([draw.choice([draw.randrange(256), draw.choice(SOF), 0xFE, 0xE0])]))


def frame_type(draw, data):
    _, start, _ = pick(draw, data, SOF)
    return replace(data, start + 1, bytes([draw.choice(SOF)]))


def frame_field(draw, data):
    _, start, end = pick(draw, data, SOF)
    return replace(data, draw.randrange(start + 2, end), bytes([draw.choice([any_byte(draw), draw.randrange(5)])]))


def sampling(draw, data):
    _, start, _ = pick(draw, data, SOF)
    component = draw.randrange(data[start + 9])
    factors = draw.choice([0x11, 0x12, 0x21, 0x22, 0x41, 0x14, 0x31, 0x13, 0x42, 0x24, 0x44, 0x33, 0x23, draw.randrange(256)])
    return replace(data, start + 11 + 3 * component, bytes([factors]))


def dimensions(draw, data):
    _, start, _ = pick(draw, data, SOF)
    at = start + draw.choice([5, 7])
    size = struct.unpack_from(">H", data, at)[0]
    new = draw.choice([size + draw.randrange(-9, 10), draw.randrange(80), draw.randrange(3000), 0, 65535, 65500, 65501])
    return replace(data, at, struct.pack(">H", max(0, new)))


def bomb(draw, data):
    _, start, _ = pick(draw, data, SOF)
    sides = draw.choice([(65535, 65535), (65500, 65500), (13377, 13378), (13377, 13379), (30000, 30000)])
    # Most of them also end early, so that nobody has to paint them.
    return replace(data, start + 5, struct.pack(">HH", *sides))[: draw.choice([scan_data(draw, data)[0], start + 30])]


def scan_field(draw, data):
    _, start, _ = pick(draw, data, (0xDA,))
    end = scan_data(draw, data[: len(data)])[0] if draw.random() < 0.2 else start + 2 + struct.unpack_from(">H", data, start + 2)[0]
    return replace(data, draw.randrange(start + 2, end), bytes([draw.choice([any_byte(draw), draw.randrange(64)])]))


def remove_segment(draw, data):
    _, start, end = draw.choice(segments(data)[1:])
    return replace(data, start, b"", end - start)


def double_segment(draw, data):
    _, start, end = draw.choice(segments(data))
    at = draw.choice(segments(data))[1]
    return replace(data, at, data[start:end], 0)


def swap_segments(draw, data):
    parts = [data[start:end] for _, start, end in segments(data)]
    a, b = draw.randrange(len(parts)), draw.randrange(len(parts))
    parts[a], parts[b] = parts[b], parts[a]
    return b"".join(parts)


def stop_scans(draw, data):
    """As if the connection had broken between two scans, or in one, and somebody had closed the file properly."""
    start, end = scan_data(draw, data)
    return data[: draw.choice([end, end, draw.randrange(start, end + 1)])] + b"\xff\xd9"


def restart_interval(draw, data):
    _, start, _ = pick(draw, data, (0xDA,))
    return replace(data, start, b"\xff\xdd\0\4" + struct.pack(">H", draw.choice([1, 2, 3, 7, 19, 65535])), 0)


def restart_marker(draw, data):
    start, end = scan_data(draw, data)
    found = [at for at in range(start, end - 1) if data[at] == 0xFF and 0xD0 <= data[at + 1] <= 0xD7]
    at = draw.choice(found)
    return draw.choice([replace(data, at, b"", 2), replace(data, at + 1, bytes([0xD0 + draw.randrange(8)]))])


def application(draw, data):
    adobe = b"Adobe" + draw.randbytes(6) + bytes([draw.choice([0, 1, 2, 7])])
    kinds = [
        (0xEE, adobe), (0xEE, adobe[: draw.randrange(13)]), (0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"),
        (0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"[: draw.randrange(15)]), (0xE1, b"Exif\0\0" + draw.randbytes(draw.randrange(40))),
        (0xE2, b"ICC_PROFILE\0" + draw.randbytes(draw.randrange(4))), (0xE2, b"MPF\0" + draw.randbytes(20)),
        (0xED, b"Photoshop 3.0\0" + (b"8BIM" + struct.pack(">HBBI", 0x3ED, 0, 0, 16) + bytes(16))[: draw.randrange(31)]),
        (0xED, b"Photoshop 3.0\0" + (b"8BIM" + draw.randbytes(12))[: draw.randrange(17)]),
        (draw.randrange(0xE0, 0xF0), draw.randbytes(draw.randrange(30))), (0xFE, draw.randbytes(5)),
        (0xCC, bytes([draw.randrange(35), draw.randrange(256)])), (0xDC, b"\0\x10"), (0xDE, draw.randbytes(15)),
    ]
    marker, body = draw.choice(kinds)
    length = draw.choice([len(body) + 2] * 4 + [draw.randrange(5)])
    _, start, _ = draw.choice([part for part in segments(data)[1:] if part[0] in (0xDA, *SOF, 0xDB)])
    return replace(data, start, bytes([0xFF, marker]) + struct.pack(">H", length) + body, 0)


def length_field(draw, data):
    _, start, _ = draw.choice(segments(data)[1:-1])
    length = struct.unpack_from(">H", data, start + 2)[0]
    return replace(data, start + 2, struct.pack(">H", max(0, length + draw.choice([-3, -2, -1, 1, 2, 30, -length, 60000]))))


def trailing(draw, data):
    return data + draw.choice([draw.randbytes(9), data, b"\xff\xd8\xff", b"\xff\xda", bytes(300)])


def between_end(draw, data):
    """Something between the last scan and the end marker."""
    extra = draw.choice([draw.randbytes(9), b"\xff\xc4\0\1", b"\xff\xdb\0\3\0", b"\xff\xd8", b"\xff\xfe\0\4ab", b"\xff\xf0", bytes(40)])
    return data[:-2] + extra + data[-2:]


DAMAGES = [
    flip_bit, set_byte, header, quantisation, quantisation_first, huffman, huffman_values, entropy, entropy, entropy_run,
    truncate, truncate_end, truncate_end, truncate_and_end, insert, delete, insert_marker, insert_marker, marker_code,
    frame_type, frame_field, sampling, sampling, dimensions, bomb, scan_field, remove_segment, double_segment, swap_segments,
    stop_scans, stop_scans, restart_interval, restart_marker, application, application, length_field, trailing, between_end,
]
