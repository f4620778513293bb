"""Whole PNG files of every kind, and what can happen to them."""

import random
import struct
import zlib

from damage_jpeg import any_byte, delete, flip_bit, insert, picture, set_byte, trailing, truncate, truncate_end

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PASSES = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]


def chunk(kind, data, crc=None):
    crc = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def chunks(data):
    """(type, start, end) of every chunk with its length and checksum."""
    out, at = [], 8
    while at + 12 <= len(data):
        end = at + 12 + struct.unpack_from(">I", data, at)[0]
        if end > len(data):
            raise ValueError("cut off")
        out.append((data[at + 4 : at + 8], at, end))
        at = end
    return out


def line(samples, depth):
    if depth == 16:
        return b"".join(struct.pack(">H", v) for v in samples)
    bits = "".join(format(v, f"0{depth}b") for v in samples)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))


def filtered(lines, step, draw):
    """Each line with a filter of any kind."""
    out, above = b"", bytes(len(lines[0]))
    for row in lines:
        kind = draw.randrange(5)
        left = bytes(step) + row[:-step] if len(row) > step else bytes(len(row))
        corner = bytes(step) + above[:-step] if len(row) > step else bytes(len(row))
        guess = []
        for a, b, c in zip(left, above, corner):
            p = a + b - c
            paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            guess.append([0, a, b, (a + b) // 2, paeth][kind])
        out += bytes([kind]) + bytes((v - g) % 256 for v, g in zip(row, guess))
        above = row
    return out


def raw(width, height, depth, colour, interlaced, draw):
    """Filtered lines of noise over a picture."""
    channels = CHANNELS[colour]
    pixels = list(zip(*[iter(picture(width, height).tobytes())] * 3))
    most = 2**depth - 1

    def sample(y, x):
        r, g, b = pixels[y * width + x]
        values = {0: (g,), 2: (r, g, b), 3: (g,), 4: (g, r), 6: (r, g, b, g)}[colour]
        return [min(most, v * most // 255 + draw.randrange(2)) for v in values]

    passes = PASSES if interlaced else [(0, 0, 1, 1)]
    out = b""
    for y0, x0, dy, dx in passes:
        lines = [line([v for x in range(x0, width, dx) for v in sample(y, x)], depth) for y in range(y0, height, dy)]
        if lines and lines[0]:
            out += filtered(lines, max(1, depth * channels // 8), draw)
    return out


def png(width, height, depth, colour, interlaced=False, before=b"", after=b"", cuts=(), level=9):
    draw = random.Random(f"{depth} {colour} {interlaced}")
    data = zlib.compress(raw(width, height, depth, colour, interlaced, draw), level)
    cuts = [0, *cuts, len(data)]
    idat = b"".join(chunk(b"IDAT", data[a:b]) for a, b in zip(cuts, cuts[1:]))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    return SIGNATURE + chunk(b"IHDR", header) + before + idat + after + chunk(b"IEND", b"")


def seeds():
    """Weights and bytes by name."""
    draw = random.Random(5)
    colours = lambda count: chunk(b"PLTE", draw.randbytes(3 * count))
    out = {}
    for depth, colour in [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (8, 2), (16, 2), (8, 4), (16, 4), (8, 6), (16, 6)]:
        out[f"d{depth}c{colour}"] = (3 if depth == 8 else 2, png(19, 13, depth, colour))
        out[f"d{depth}c{colour}i"] = (1, png(13, 11, depth, colour, True))
    for depth in (1, 2, 4, 8):
        out[f"d{depth}c3"] = (2, png(19, 13, depth, 3, before=colours(2**depth)))
        out[f"d{depth}c3i"] = (1, png(13, 11, depth, 3, True, before=colours(2**depth)))
    out["short-palette"] = (2, png(19, 13, 8, 3, before=colours(100)))
    out["palette-alpha"] = (1, png(19, 13, 8, 3, before=colours(256) + chunk(b"tRNS", draw.randbytes(60))))
    out["palette-entry"] = (1, png(19, 13, 8, 3, before=colours(256) + chunk(b"tRNS", b"\xff\xff\0\xff")))
    out["grey-transparent"] = (1, png(19, 13, 8, 0, before=chunk(b"tRNS", b"\0\x80")))
    out["rgb-transparent"] = (1, png(19, 13, 8, 2, before=chunk(b"tRNS", b"\0\x80\0\x20\0\x30")))
    about = chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"pHYs", struct.pack(">IIB", 2835, 2835, 1))
    about += chunk(b"tEXt", b"Title\0words") + chunk(b"sRGB", b"\0") + chunk(b"tIME", bytes(7))
    about += chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(300))) + chunk(b"zTXt", b"key\0\0" + zlib.compress(b"text"))
    out["about"] = (2, png(19, 13, 8, 2, before=about, after=chunk(b"iTXt", b"key\0\0\0en\0key\0text") + chunk(b"tEXt", b"a\0b")))
    out["many"] = (3, png(19, 13, 8, 2, cuts=(1, 2, 2, 40, 300)))
    out["stored"] = (2, png(19, 13, 8, 2, level=0))
    out["tiny"] = (1, png(1, 1, 8, 2))
    out["tiny-interlaced"] = (1, png(2, 3, 8, 2, True))
    # Longer than what Pillow inflates at once.
    out["long"] = (0.2, png(160, 160, 8, 2, level=0))
    control = lambda n, *box: chunk(b"fcTL", struct.pack(">IIIIIHHBB", n, *box, 1, 10, 0, 0))
    frame = chunk(b"fdAT", struct.pack(">I", 2) + zlib.compress(bytes(100)))
    out["animated"] = (1, png(19, 13, 8, 2, before=chunk(b"acTL", struct.pack(">II", 2, 0)) + control(0, 19, 13, 0, 0),
                              after=control(1, 5, 5, 0, 0) + frame))
    return out


# Damage.


def rebuilt(data, change):
    """The file with its chunks changed: `change` gets a list of (type, data) and returns another."""
    parts = [(kind, data[start + 8 : end - 4]) for kind, start, end in chunks(data)]
    return SIGNATURE + b"".join(chunk(kind, body) for kind, body in change(parts))


def kept_sum(draw, data):
    """A byte of a chunk, with its checksum mended."""
    kind, start, end = draw.choice([part for part in chunks(data) if part[2] - part[1] > 12])
    at = draw.randrange(start + 8, end - 4)
    body = data[start + 8 : at] + bytes([any_byte(draw)]) + data[at + 1 : end - 4]
    return data[:start] + chunk(kind, body) + data[end:]


def header_field(draw, data):
    def change(parts):
        at = draw.choice([0, 1, 2, 3, 3, 3, 4, 5, 6, 7, 7, 7, 8, 9, 10, 11, 12, 12])
        value = draw.choice([any_byte(draw), draw.randrange(20), 0, 1, 2, 4, 8, 16])
        return [(k, b[:at] + bytes([value]) + b[at + 1 :] if k == b"IHDR" else b) for k, b in parts]
    return rebuilt(data, change)


def size(draw, data):
    def change(parts):
        sides = draw.choice([(65535, 65535), (13377, 13378), (13377, 13379), (0, 5), (5, 0), (draw.randrange(40), draw.randrange(40)),
                             (2**31, 1), (2**32 - 1, 2**32 - 1), (draw.randrange(3000), 3)])
        return [(k, struct.pack(">II", *sides) + b[8:] if k == b"IHDR" else b) for k, b in parts]
    return rebuilt(data, change)


def pixels(data):
    return b"".join(data[start + 8 : end - 4] for kind, start, end in chunks(data) if kind == b"IDAT")


def with_pixels(draw, data, compressed):
    cuts = sorted(draw.randrange(len(compressed) + 1) for _ in range(draw.choice([0, 0, 0, 1, 2, 5])))
    pieces = [compressed[a:b] for a, b in zip([0, *cuts], [*cuts, len(compressed)])]

    def change(parts):
        at = next(n for n, (kind, _) in enumerate(parts) if kind == b"IDAT")
        rest = [part for part in parts if part[0] != b"IDAT"]
        return rest[:at] + [(b"IDAT", piece) for piece in pieces] + rest[at:]
    return rebuilt(data, change)


def pixel_data(draw, data):
    """Compressed bytes changed."""
    out = bytearray(pixels(data))
    for _ in range(draw.choice([1, 1, 2, 9])):
        out[draw.randrange(len(out))] = any_byte(draw)
    return with_pixels(draw, data, bytes(out))


def sum_of_pixels(draw, data):
    """The checksum of all pixel data."""
    out = bytearray(pixels(data))
    out[-draw.randrange(1, 5)] ^= 1 << draw.randrange(8)
    return with_pixels(draw, data, bytes(out))


def pixel_length(draw, data):
    """Fewer or more pixels than the header says, properly compressed; often ending with a row."""
    plain = zlib.decompress(pixels(data))
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    row = 1 + (width * depth * CHANNELS[colour] + 7) // 8
    cut = draw.choice([row * draw.randrange(height + 1), draw.randrange(len(plain)), len(plain) - 1, len(plain)])
    plain = plain[:cut] if draw.random() < 0.7 else plain + draw.randbytes(draw.randrange(1, 50))
    return with_pixels(draw, data, zlib.compress(plain, draw.choice([0, 1, 9])))


def filters(draw, data):
    plain = bytearray(zlib.decompress(pixels(data)))
    for _ in range(draw.choice([1, 5])):
        plain[draw.randrange(len(plain))] = draw.choice([draw.randrange(7), any_byte(draw)])
    return with_pixels(draw, data, zlib.compress(bytes(plain), draw.choice([0, 6])))


def cut_pixels(draw, data):
    whole = pixels(data)
    end = draw.choice([draw.randrange(len(whole)), len(whole) - draw.randrange(1, 8)])
    return with_pixels(draw, data, whole[: max(0, end)])


def split(draw, data):
    return with_pixels(draw, data, pixels(data))


def remove_chunk(draw, data):
    return rebuilt(data, lambda parts: [part for n, part in enumerate(parts) if n != draw.randrange(len(parts))])


def double_chunk(draw, data):
    def change(parts):
        parts.insert(draw.randrange(len(parts) + 1), draw.choice(parts))
        return parts
    return rebuilt(data, change)


def swap_chunks(draw, data):
    def change(parts):
        a, b = draw.randrange(len(parts)), draw.randrange(len(parts))
        parts[a], parts[b] = parts[b], parts[a]
        return parts
    return rebuilt(data, change)


def rename_chunk(draw, data):
    kind, start, end = draw.choice(chunks(data))
    new = draw.choice([b"abCd", b"ABCD", b"IDAT", b"IEND", b"DDAT", b"fdAT", b"a_1Z", b"\xe4bCd", b"tEXt", draw.randbytes(4)])
    return data[:start] + chunk(new, data[start + 8 : end - 4]) + data[end:]


def chunk_length(draw, data):
    _, start, _ = draw.choice(chunks(data))
    length = struct.unpack_from(">I", data, start)[0]
    new = draw.choice([length + draw.choice([-1, 1, 4, 13]), 2**31, 2**32 - 1, draw.randrange(60)])
    return data[:start] + struct.pack(">I", max(0, new)) + data[start + 4 :]


def checksum(draw, data):
    _, _, end = draw.choice(chunks(data))
    return data[: end - 4] + draw.randbytes(4) + data[end:]


def palette(draw, data):
    count = draw.choice([0, 1, 2, 50, 767, 768, 769, 770, 771, 900])
    body = bytes(draw.randrange(256) for _ in range(count))
    return rebuilt(data, lambda parts: [(k, body if k == b"PLTE" else b) for k, b in parts if k != b"PLTE" or draw.random() < 0.9])


def extra_chunk(draw, data):
    text = zlib.compress(draw.choice([b"text", bytes(1 << 20), bytes((1 << 20) + 1), bytes(3 << 20)]))
    number = lambda *values: struct.pack(">" + "I" * len(values), *values)
    box = number(draw.randrange(3), draw.randrange(1, 20), draw.randrange(1, 14), draw.randrange(3), draw.randrange(3))
    kinds = [
        (b"tRNS", draw.randbytes(draw.randrange(8))), (b"tRNS", b"\xff" * draw.randrange(300) + b"\0" + b"\xff" * draw.randrange(9)),
        (b"tRNS", b"\xff\0\n"), (b"gAMA", draw.randbytes(draw.randrange(6))), (b"cHRM", bytes(draw.choice([31, 32, 33]))),
        (b"sRGB", bytes(draw.randrange(3))), (b"pHYs", bytes(draw.randrange(7, 11)) + b"\1"), (b"tEXt", draw.randbytes(draw.randrange(20))),
        (b"zTXt", b"key\0" + bytes([draw.choice([0, 0, 0, 1])]) + text), (b"zTXt", draw.randbytes(draw.randrange(9))),
        (b"iTXt", b"key\0\1\0en\0key\0" + text), (b"iTXt", b"key\0" + draw.randbytes(draw.randrange(9))),
        (b"iCCP", b"name\0" + bytes([draw.choice([0, 0, 0, 1])]) + text), (b"iCCP", draw.randbytes(draw.randrange(9))),
        (b"iCCP", b"name"), (b"iCCP", b""), (b"eXIf", draw.randbytes(20)), (b"acTL", number(draw.choice([0, 1, 2, 2**32 - 1]), 0)),
        (b"acTL", bytes(draw.randrange(8))), (b"fcTL", box + b"\0\1\0\1" + bytes([0, 0])), (b"fcTL", box),
        (b"fdAT", number(draw.randrange(3)) + bytes(9)), (b"fdAT", b"ab"), (b"PLTE", bytes(9)), (b"IDAT", b""), (b"IEND", b""),
        (b"abCd", bytes(draw.randrange(9))), (b"IHDR", struct.pack(">IIBBBBB", 9, 9, draw.choice([1, 8]), draw.choice([0, 2, 3, 5]), 0, 0, 0)),
    ]
    kind, body = draw.choice(kinds)

    def change(parts):
        parts.insert(draw.choice([1, 1, draw.randrange(len(parts) + 1)]), (kind, body))
        return parts
    out = rebuilt(data, change)
    return out if draw.random() < 0.8 else checksum(draw, out)


DAMAGES = [
    flip_bit, set_byte, truncate, truncate_end, insert, delete, trailing, kept_sum, kept_sum, header_field, header_field, size,
    pixel_data, pixel_data, pixel_data, sum_of_pixels, sum_of_pixels, pixel_length, pixel_length, filters, filters, cut_pixels,
    split, remove_chunk, double_chunk, swap_chunks, rename_chunk, chunk_length, checksum, palette, extra_chunk, extra_chunk, extra_chunk,
]
