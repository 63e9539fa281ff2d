"""Makes the pictures of tests/data and what Pillow makes of them. Run twice:

    python make_pictures.py            with Pillow 13 or later, and transformers for the configurations
    python make_pictures.py reference  with Pillow 9.4, which the reference ran on; reads the pictures of the first run

Per picture NAME.EXT, expected/NAME.EXT.png holds four squares, one below the other: crop and squash as
Compat::Default has them, crop and squash as Compat::Reference. sizes.png is cut into pictures of many sizes;
expected/sizes.png.png has one row of the same four squares for each of SIZES. configs/N.json with N.png: a
configuration, and picture rgb.png by transformers' CLIPImageProcessor under it (before scaling and normalising).
"""

import io
import json
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageOps

DATA = Path(__file__).parent / "data"
SIDE, SMALL = 20, 12
SIZES = [(1, 1), (1, 7), (7, 1), (1, 200), (200, 1), (2, 3), (3, 2), (5, 93), (93, 5), (11, 11), (12, 12), (12, 13),
         (13, 12), (12, 200), (200, 12), (24, 24), (23, 25), (37, 101), (101, 37), (100, 150), (120, 120), (120, 144),
         (60, 200), (200, 60), (190, 200), (6, 18), (18, 6), (9, 200)]
CONFIGS = [
    {"size": 24, "crop_size": 24},
    {"size": {"shortest_edge": 30}, "crop_size": {"height": 24, "width": 24}},
    {"size": {"shortest_edge": 20}, "crop_size": {"height": 27, "width": 27}},
    {"size": {"height": 30, "width": 25}, "crop_size": {"height": 25, "width": 25}},
    {"size": {"height": 24, "width": 24}, "do_center_crop": False},
    {"size": 24, "do_resize": False, "crop_size": {"height": 80, "width": 80}},
    {"size": 24, "do_resize": False, "crop_size": {"height": 40, "width": 40}},
]


def photo(width, height, seed):
    """Smooth colours with hard edges and some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(float)
    planes = [127 + 90 * np.sin(x / 9 + y / 17) + 30 * np.cos(y / 5), 127 + 100 * np.sin(x / 23 - y / 11),
              127 + 80 * np.cos((x + y) / 13)]
    pixels = np.stack(planes, -1) + rng.normal(0, 3, (height, width, 3))
    pixels[height // 4:height // 2, width // 4:width // 2] = [230, 20, 40]
    pixels[height // 2:3 * height // 4, width // 2:3 * width // 4] = [10, 200, 90]
    return Image.fromarray(pixels.clip(0, 255).astype("uint8"))


def png16(name, pixels, color_type):
    """A PNG with 16 bits per sample, which Pillow cannot write for more than one channel."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks]
    (DATA / name).write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def pictures():
    """Writes every kind of file."""
    DATA.mkdir(exist_ok=True)
    image = photo(61, 43, 3)
    alpha = np.linspace(0, 255, 61).astype("uint8")[None, :].repeat(43, 0)
    rgba = Image.fromarray(np.dstack([np.array(image), alpha]))
    grey = image.convert("L")
    grey_alpha = Image.fromarray(np.dstack([np.array(grey), alpha]), "LA")
    palette = image.quantize(100)

    def save(name, picture, **options):
        picture.save(DATA / name, **options)

    save("rgb.png", image)
    save("rgb_key.png", image, transparency=(230, 20, 40))
    save("rgba.png", rgba)
    save("grey.png", grey)
    save("grey_key.png", grey, transparency=100)
    save("grey_alpha.png", grey_alpha)
    save("palette.png", palette)
    save("palette_key.png", palette, transparency=3)
    save("palette_alpha.png", palette, transparency=bytes(range(0, 200, 2)))
    save("palette4.png", image.quantize(16), bits=4)
    save("palette1.png", image.quantize(2), bits=1)
    save("bilevel.png", image.convert("1"))
    rng = np.random.default_rng(4)
    deep = lambda p: (np.array(p).astype(int) * 256 + rng.integers(0, 256, np.array(p).shape)).astype("uint16")
    little = lambda p: p.crop((5, 5, 46, 34))
    image, grey, rgba, grey_alpha = map(little, (image, grey, rgba, grey_alpha))
    png16("grey16.png", deep(grey)[..., None], 0)
    dark = deep(grey) // 200  # so that clipping to 255 does not make all of it white
    png16("grey16_dark.png", dark[..., None], 0)
    png16("rgb16.png", deep(image), 2)
    png16("grey_alpha16.png", deep(grey_alpha), 4)
    png16("rgba16.png", deep(rgba), 6)
    save("grey16.tif", Image.fromarray(dark), compression="tiff_lzw")
    image, grey, rgba = Image.open(DATA / "rgb.png"), Image.open(DATA / "grey.png"), Image.open(DATA / "rgba.png")

    for name, subsampling in [("444", 0), ("422", 1), ("420", 2)]:
        save(f"{name}.jpg", image, quality=88, subsampling=subsampling)
        save(f"{name}_progressive.jpg", image, quality=88, subsampling=subsampling, progressive=True)
    save("restarts.jpg", image, quality=70, subsampling=2, restart_marker_blocks=3)
    save("tiny.jpg", image.crop((20, 10, 25, 13)), quality=95, subsampling=2)
    save("tall.jpg", image.crop((20, 0, 22, 43)), quality=95, subsampling=2)
    save("exact.jpg", image.crop((20, 10, 20 + SIDE, 10 + SIDE)), quality=95, subsampling=2)
    save("rgb.jpg", image, quality=88, keep_rgb=True)
    save("grey.jpg", grey, quality=88)
    inks = np.array(image.convert("CMYK"))
    inks[..., 3] = alpha // 2
    inks = Image.fromarray(inks, "CMYK")
    save("cmyk.jpg", inks, quality=88, subsampling=0)
    save("cmyk_420.jpg", inks, quality=88, subsampling=2)
    for name, options in [("ycck", {}), ("ycck_420_progressive", {"subsampling": 2, "progressive": True})]:
        # Written as if it were CMYK, then Adobe's marker is told that it is YCCK.
        channels = np.dstack([255 - np.array(image.convert("YCbCr")), alpha // 2])
        out = io.BytesIO()
        Image.fromarray(channels, "CMYK").save(out, "JPEG", quality=88, **({"subsampling": 0} | options))
        out = bytearray(out.getvalue())
        out[out.index(b"Adobe") + 11] = 2
        (DATA / f"{name}.jpg").write_bytes(out)
    small = photo(40, 27, 5)
    for orientation in range(2, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(f"exif{orientation}.jpg", small, quality=70, exif=exif)
    save("exif6.png", small, exif=exif_of(6))
    save("exif6.webp", small, lossless=True, exif=exif_of(6))
    save("exif6.tif", small, compression="tiff_lzw", tiffinfo={0x0112: 6})

    save("palette.gif", image)
    save("transparent.gif", palette, transparency=3)
    ramp = Image.fromarray((np.arange(61 * 43).reshape(43, 61) % 256).astype("uint8"), "L")
    save("ramp.gif", ramp, optimize=False)
    save("rgb.bmp", small)
    save("palette.bmp", small.quantize(50))
    save("bilevel.bmp", image.convert("1"))
    save("grey.bmp", small.convert("L"))
    save("rgb.tif", small, compression="tiff_lzw")
    save("palette.tif", image.quantize(50), compression="tiff_lzw")
    save("bilevel.tif", image.convert("1"), compression="group4")
    save("lossy.webp", image, quality=80)
    save("alpha.webp", rgba, quality=80)
    # Only black and full colours: the cubic overshoots everywhere, so that the order of the passes shows.
    rng = np.random.default_rng(6)
    save("sizes.png", Image.fromarray((rng.integers(0, 2, (200, 200, 3)) * 255).astype("uint8")), optimize=True)
    # Sizes whose nearest neighbours are ties.
    ties = rng.integers(0, 256, (32, 24)).astype("uint16")
    save("ties16.tif", Image.fromarray(ties))
    save("ties.png", Image.fromarray(ties.astype("uint8")).quantize(40), optimize=True)


def exif_of(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def crop(image, side):
    """The short side to `side`, the middle of the long one; the reference's order and rounding."""
    width, height = image.size
    short = min(width, height)
    if short != side:
        size = (side, int(side * height / width)) if width <= height else (int(side * width / height), side)
        image = image.resize(size, Image.Resampling.BICUBIC)
    left, top = (image.size[0] - side) // 2, (image.size[1] - side) // 2
    return image.crop((left, top, left + side, top + side))


def default(path):
    """Compat::Default: orientation applied, 16-bit greys by their high byte, RGB first."""
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.array(image) >> 8).astype("uint8"))
    return image.convert("RGB"), None


def reference(path):
    """Compat::Reference: what the reference does before the crop, and before the squash."""
    image = Image.open(path)
    return image.convert("RGB"), image


def squares(image, native, side):
    squash = (native or image).resize((side, side))
    return [np.array(crop(image, side)), np.array(squash.convert("RGB"))]


def cut(image, width, height):
    return image.crop((0, 0, width, height))


def expect(opened, upper):
    """Writes the upper or the lower half of every picture's expected squares."""
    folder = DATA / "expected"
    folder.mkdir(exist_ok=True)

    def write(name, pair, side):
        path = folder / f"{name}.png"
        whole = np.zeros((4 * side, pair[0].shape[1], 3), "uint8")
        if path.exists():
            whole = np.array(Image.open(path))
        start = 0 if upper else 2 * side
        whole[start:start + 2 * side] = np.concatenate(pair)
        Image.fromarray(whole).save(path, optimize=True)

    for path in sorted(DATA.iterdir()):
        if path.is_file() and path.name != "sizes.png":
            write(path.name, squares(*opened(path), SIDE), SIDE)
    source = Image.open(DATA / "sizes.png")
    pairs = [squares(cut(source, *size), None, SMALL) for size in SIZES]
    write("sizes.png", [np.concatenate([pair[n] for pair in pairs], 1) for n in (0, 1)], SMALL)


def configurations():
    from transformers import CLIPImageProcessorPil

    folder = DATA / "configs"
    folder.mkdir(exist_ok=True)
    image = Image.open(DATA / "rgb.png")
    for n, config in enumerate(CONFIGS):
        config = {"do_rescale": False, "do_normalize": False, "resample": 3, **config}
        pixels = CLIPImageProcessorPil(**config)(image, return_tensors="np")["pixel_values"][0]
        (folder / f"{n}.json").write_text(json.dumps(config) + "\n")
        Image.fromarray(pixels.transpose(1, 2, 0).astype("uint8")).save(folder / f"{n}.png", optimize=True)


def main():
    major = int(PIL.__version__.split(".")[0])
    if sys.argv[1:] == ["reference"]:
        assert PIL.__version__.startswith("9.4."), f"Pillow is {PIL.__version__}, must be 9.4"
        expect(reference, upper=False)
    else:
        assert major >= 13, f"Pillow is {PIL.__version__}, must be 13 or later: it resizes tall pictures columns first"
        pictures()
        expect(default, upper=True)
        configurations()


if __name__ == "__main__":
    main()
