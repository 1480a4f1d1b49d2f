"""Reading images of every kind that people have, and saying why when one cannot be read."""

import io
import os
import struct
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import PIL
import pillow_heif
import pytest
from PIL import Image, ImageDraw
from small_dng import bayer, small_dng

from wordsight.errors import ImageError, InputError
from wordsight.images import memory as image_memory
from wordsight.images.decode import decode, read_image
from wordsight.images.files import EXTENSIONS
from wordsight.images.header import Header, read_header
from wordsight.images.names import recorded_path, source_name
from wordsight.images.skipped import Skipped, record_skipped


def scene(width: int = 64, height: int = 48) -> Image.Image:
    """A smooth image with one red corner, so that orientation and channel order show."""
    ramp = np.linspace(40, 200, width * height).reshape(height, width)
    image = Image.fromarray(np.stack([ramp * 0.3, ramp * 0.6, ramp], 2).astype(np.uint8))
    ImageDraw.Draw(image).rectangle((0, 0, width // 4, height // 4), fill=(255, 0, 0))
    return image


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def encoded_heic(image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=90, **options)
    return buffer.getvalue()


def mean_difference(a: Image.Image, b: Image.Image) -> float:
    assert a.mode == b.mode == "RGB"
    assert a.size == b.size
    return float(np.abs(np.asarray(a).astype(int) - np.asarray(b).astype(int)).mean())


def test_every_kind_of_source_gives_the_same_image(tmp_path):
    image = scene()
    path = tmp_path / "scene.png"
    image.save(path)
    for source in [path, str(path), path.read_bytes(), image, np.asarray(image), Image.open(path)]:
        assert mean_difference(read_image(source), image) == 0, source


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_orientation_is_applied_once(kind, orientation):
    upright = scene()
    turn_back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's transpose that undoes each orientation
    stored = upright.transpose(turn_back[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(stored, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    assert mean_difference(read_image(content), upright) < 6
    assert mean_difference(read_image(Image.open(io.BytesIO(content))), upright) < 6


@pytest.mark.parametrize("orientation", [0, 9, 10, 255, 65535])
def test_orientations_that_are_not_known_mean_as_stored(orientation):
    """Programs write them; Pillow, libvips and browsers leave such images as they are."""
    image = scene(1600, 1200)
    exif = Image.Exif()
    exif[0x0112] = orientation
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="9"/>'
    for said in ({"exif": exif}, {"xmp": xmp}):
        content = encoded(image, "JPEG", quality=92, **said)
        assert read_header(content) == Header(1600, 1200)
        decoded = decode(content, at_least=224)
        assert decoded.image.size == (800, 600)
        assert decoded.box == (0, 0, 800, 600)
        assert mean_difference(read_image(content), image) < 3


def test_damaged_exif_does_not_cost_the_image():
    for exif in [b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0junk", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"]:
        content = encoded(scene(), "JPEG", quality=95, exif=exif)
        assert read_image(content).size == (64, 48)
        assert read_header(content) == Header(64, 48)


def png_chunk(kind: bytes, body: bytes, crc: int | None = None) -> bytes:
    return (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) if crc is None else crc)
    )


@pytest.mark.parametrize("place", ["after the header", "before the end"])
@pytest.mark.parametrize(
    "chunk",
    [
        png_chunk(b"zTXt", b"workflow\0\0" + zlib.compress(b"A" * 3_000_000)),
        png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"A" * 3_000_000)),
        png_chunk(b"iCCP", b"icc\0\0" + zlib.compress(b"A" * 3_000_000)),
        b"".join(png_chunk(b"tEXt", b"notes\0" + b"A" * 1_000_000) for _ in range(66)),
        png_chunk(b"tEXt", b"notes\0short", crc=0),
    ],
    ids=["zTXt", "XMP", "ICC", "66 MB", "checksum"],
)
def test_a_pngs_metadata_do_not_cost_the_image(tmp_path, chunk, place):
    """Programs that make images put their whole workflow in them; Pillow takes no more than 1 MB a text."""
    exif = Image.Exif()
    exif[0x0112] = 6
    png = encoded(scene(), "PNG", exif=exif)
    at = 33 if place == "after the header" else len(png) - 12
    path = tmp_path / "long.png"
    path.write_bytes(png[:at] + chunk + png[at:])
    assert mean_difference(read_image(path), read_image(png)) == 0
    assert read_header(path) == Header(48, 64)


def test_a_png_whose_pixels_are_damaged_is_refused_with_and_without_metadata():
    png = encoded(scene(), "PNG")
    bad = png[:60] + bytes(40) + png[100:]
    for content in (bad, bad[:33] + png_chunk(b"tEXt", b"notes\0short") + bad[33:]):
        with pytest.raises(ImageError, match=r"damaged|truncated|cannot read|broken"):
            read_image(content)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True, "subsampling": 0}])
def test_a_jpeg_that_lacks_its_end_is_read_and_half_of_one_is_not(options, mode):
    noise = np.random.default_rng(0).integers(0, 12, (300, 450, 3), np.uint8)
    image = Image.fromarray(noise + np.asarray(scene(450, 300)) // 2)
    inks = Image.merge("CMYK", (*image.split(), image.convert("L")))
    jpeg = encoded(inks if mode == "CMYK" else image.convert(mode), "JPEG", quality=92, **options)
    whole = decode(jpeg)
    assert whole.flaw == ""
    for lost in (1, 2, 20, len(jpeg) // 200):
        cut = decode(jpeg[:-lost])
        assert cut.flaw.startswith("the JPEG lacks its end")
        assert mean_difference(cut.image, whole.image) < 2
    for left in (0.5, 0.8, 0.1):
        with pytest.raises(ImageError, match="image file is truncated"):
            read_image(jpeg[: int(left * len(jpeg))])


def test_a_jpeg_that_lacks_its_end_is_turned_and_scaled_like_others():
    exif = Image.Exif()
    exif[0x0112] = 6
    jpeg = encoded(scene(1600, 1200), "JPEG", quality=92, exif=exif)
    cut = decode(jpeg[:-2], at_least=224)
    assert cut.image.size == (600, 800)
    assert mean_difference(cut.image, read_image(jpeg, at_least=224)) < 1


def test_transparency_is_laid_over_white():
    rgba = scene().convert("RGBA")
    rgba.putalpha(0)
    assert np.asarray(read_image(rgba)).min() == 255
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert read_image(encoded(half, "PNG")).getpixel((0, 0)) == (127, 127, 127)
    assert read_image(Image.new("LA", (4, 4), (10, 0))).getpixel((1, 1)) == (255, 255, 255)
    assert read_image(Image.new("La", (4, 4), (0, 0))).getpixel((1, 1)) == (255, 255, 255)
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([9, 9, 9, 200, 10, 10])
    assert read_image(encoded(palette, "PNG")).getpixel((0, 0)) == (200, 10, 10)
    assert read_image(encoded(palette, "PNG", transparency=1)).getpixel((0, 0)) == (255, 255, 255)
    assert read_image(encoded(palette, "PNG", transparency=b"\x00\x80")).getpixel((0, 0)) == (227, 132, 132)
    keyed = encoded(Image.new("RGB", (4, 4), (1, 2, 3)), "PNG", transparency=(1, 2, 3))
    assert read_image(keyed).getpixel((0, 0)) == (255, 255, 255)


def test_16_bit_images_keep_their_upper_8_bits():
    wide = (np.arange(256, dtype=np.uint16).reshape(16, 16) * 257).astype(np.uint16)
    expected = np.arange(256).reshape(16, 16)
    gray = Image.fromarray(wide)
    for source in [gray, encoded(gray, "PNG"), encoded(gray, "TIFF")]:
        assert (np.asarray(read_image(source)) == expected[..., None]).all()
    assert (np.asarray(read_image(_png_rgb16(wide))) == expected[..., None]).all()


def _png_rgb16(wide_HW: np.ndarray) -> bytes:
    """A 16-bit RGB PNG, which Pillow cannot write, by hand."""
    import struct
    import zlib

    height, width = wide_HW.shape
    rows = np.repeat(wide_HW[..., None], 3, 2).astype(">u2").reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.float32([[0, 0.5, 1]]), [0, 128, 255]),
        (np.float32([[0, 100, 255]]), [0, 100, 255]),
        (np.float32([[-1000, 0, 1000]]), [0, 128, 255]),
        (np.float32([[np.nan, 0.5, 1]]), [0, 128, 255]),
        (np.float32([[7e5, 7e5, 7e5]]), [0, 0, 0]),
        (np.int32([[0, 128, 255]]), [0, 128, 255]),
        (np.int32([[0, 32768, 65535]]), [0, 128, 255]),
        (np.int32([[-5, 0, 5]]), [0, 128, 255]),
    ],
)
def test_floats_and_wide_integers_are_scaled(values, expected):
    assert np.asarray(read_image(encoded(Image.fromarray(values), "TIFF")))[0, :, 0].tolist() == expected


def test_one_bit_gray_and_cmyk():
    bits = Image.new("1", (8, 8), 1)
    bits.putpixel((0, 0), 0)
    read = read_image(encoded(bits, "PNG"))
    assert read.getpixel((0, 0)) == (0, 0, 0)
    assert read.getpixel((1, 1)) == (255, 255, 255)
    assert read_image(scene().convert("L")).mode == "RGB"
    cmyk = scene().convert("CMYK")
    for content in [encoded(cmyk, "JPEG", quality=95), encoded(cmyk, "TIFF")]:  # the JPEG is Adobe's inverted kind
        assert mean_difference(read_image(content), scene()) < 4


def test_the_first_frame_of_animations_counts():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ["red", "lime", "blue"]]
    for kind, options in [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})]:
        content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert read_image(content).getpixel((4, 4)) == (255, 0, 0), kind


def test_large_jpegs_are_decoded_at_a_scale_that_leaves_twice_the_target():
    content = encoded(scene(1600, 1200), "JPEG", quality=92)
    assert read_image(content).size == (1600, 1200)
    for at_least, size in [(224, (800, 600)), (100, (400, 300)), (75, (200, 150)), (301, (1600, 1200))]:
        read = read_image(content, at_least=at_least)
        assert read.size == size
        assert min(size) >= 2 * at_least
    small = read_image(content, at_least=224).resize((224, 168), Image.Resampling.BICUBIC)
    exact = read_image(content).resize((224, 168), Image.Resampling.BICUBIC)
    assert mean_difference(small, exact) < 1
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(scene(1600, 1200), "JPEG", exif=exif)
    assert read_image(turned, at_least=224).size == (600, 800)
    assert read_image(encoded(scene(1600, 1200), "PNG"), at_least=10).size == (1600, 1200)


def test_images_over_the_limit_are_refused_unless_scaling_makes_them_fit(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    image = scene(400, 300)
    jpeg, png = encoded(image, "JPEG"), encoded(image, "PNG")
    assert read_image(jpeg, at_least=32).size == (100, 75)
    with pytest.raises(ImageError, match=r"has 120,000 pixels, which take .* more than the limit .* make it smaller"):
        read_image(jpeg)
    with pytest.raises(ImageError, match=r"more than the limit of"):
        read_image(png, at_least=32)
    with pytest.raises(ImageError, match=r"has 120,000 pixels"):
        read_image(encoded(image, "JPEG", progressive=True), at_least=32)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert read_image(png).size == (400, 300)


def modes() -> dict[str, Image.Image]:
    image = scene(90, 60)
    palette = image.convert("P", palette=Image.Palette.ADAPTIVE)
    clear = image.convert("RGBA")
    clear.putalpha(image.convert("L"))
    keyed = image.convert("L")
    keyed.info["transparency"] = 60
    ramp = np.arange(5400, dtype=np.float32).reshape(60, 90)
    return {
        **{mode: image.convert(mode) for mode in ("1", "L", "RGB", "CMYK", "YCbCr", "LA")},
        "P": palette, "RGBA": clear, "keyed": keyed, "I;16": Image.fromarray(ramp.astype(np.uint16) * 12),
        "I": Image.fromarray(ramp.astype(np.int32) * 1000 - 99), "F": Image.fromarray(ramp / 7 - 3),
    }  # fmt: skip


@pytest.mark.parametrize("mode", modes())
def test_large_images_become_rgb_in_strips_like_others_at_once(monkeypatch, mode):
    if mode == "YCbCr" and int(PIL.__version__.split(".")[0]) < 13:
        pytest.skip("Pillow 12 cannot read the YCbCr TIFF that it writes")
    monkeypatch.setattr(image_memory, "_STRIP", 700)
    image = modes()[mode]
    at_once = read_image(image)
    content = encoded(image, "TIFF") if mode not in ("I;16", "P", "keyed") else encoded(image, "PNG")
    monkeypatch.setattr(image_memory, "_LARGE", 1000)
    assert mean_difference(read_image(image), at_once) < 0.01
    decoded = decode(content, at_least=10)
    assert decoded.image.size == (30, 20)
    assert decoded.box == (0, 0, 30, 20)
    assert mean_difference(decoded.image, read_image(content).reduce(3)) < 1


def test_a_plan_above_pillows_limit_is_read_where_its_memory_allows(tmp_path, monkeypatch):
    """As one of 20,000 × 20,000 pixels at a hundredth of it: Pillow refuses more than twice MAX_IMAGE_PIXELS."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 9000)
    monkeypatch.setattr(image_memory, "_LARGE", 4 * 18000)
    plan = Image.new("1", (203, 200), 1)
    ImageDraw.Draw(plan).rectangle((0, 0, 100, 200), fill=0)
    plan.save(tmp_path / "plan.tif", compression="group4")
    plan.save(tmp_path / "plan.png")
    for path in sorted(tmp_path.iterdir()):
        assert read_header(path) == Header(203, 200)
        decoded = decode(path, at_least=20)
        assert decoded.image.size == (41, 40)
        assert decoded.box == (0, 0, 203 / 5, 40)
        assert decoded.image.getpixel((10, 20)) == (0, 0, 0)
        assert decoded.image.getpixel((30, 20)) == (255, 255, 255)
        with pytest.raises(ImageError, match=r"has 40,600 pixels, which take .*WORDSIGHT_IMAGE_MEMORY=100"):
            read_image(path)  # all of its pixels as RGB take four times as much
    monkeypatch.setenv("WORDSIGHT_IMAGE_MEMORY", "1")
    assert read_image(path).size == (203, 200)
    monkeypatch.setenv("WORDSIGHT_IMAGE_MEMORY", "lots")
    with pytest.raises(ImageError, match="WORDSIGHT_IMAGE_MEMORY is 'lots', expected how many MiB"):
        read_image(path)


def test_a_bomb_is_refused_by_its_header():
    """20,000×20,000 pixels in 57 bytes: nothing is decoded to tell."""
    body = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    header = struct.pack(">I", 13) + b"IHDR" + body + struct.pack(">I", zlib.crc32(b"IHDR" + body))
    data = struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    with pytest.raises(ImageError, match=r"has 400,000,000 pixels, which take 1,526 MiB of memory, more than"):
        read_image(b"\x89PNG\r\n\x1a\n" + header + data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_a_image_of_one_pixel(kind):
    assert read_image(encoded(Image.new("RGB", (1, 1), "white"), kind), at_least=224).getpixel((0, 0)) == (
        255,
        255,
        255,
    )


def test_what_cannot_be_read_says_why(tmp_path):
    png, jpeg = encoded(scene(), "PNG"), encoded(scene(), "JPEG")
    heic = b"\0\0\0\x18ftypheic" + bytes(40)
    cases = {
        "empty.jpg": (b"", "the file is empty"),
        "text.jpg": (b"hello, I am no image", "not an image that Pillow can read; it starts with b'hello, I am '"),
        "cut.png": (png[: len(png) // 2], "truncated|damaged"),
        "cut.jpg": (jpeg[: len(jpeg) // 2], "[Tt]runcated"),
        "head.jpg": (jpeg[:12], "."),
        "phone.heic": (heic, "damaged"),
        "page.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image that Pillow can read"),
    }
    for name, (content, reason) in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ImageError, match=rf"{name}: .*({reason})"):
            read_image(path)
    broken = bytearray(png)
    broken[40:60] = bytes(20)
    with pytest.raises(ImageError, match=r"^\d+ bytes: "):
        read_image(bytes(broken))


def test_kinds_that_need_another_package_say_which(tmp_path, monkeypatch):
    sensor = small_dng(bayer(np.full((64, 96, 3), 0.5)))
    previewed = small_dng(
        bayer(np.full((64, 96, 3), 0.5)), preview=encoded(scene(96, 64), "JPEG"), preview_size=(96, 64)
    )
    canon = b"II*\0\x10\0\0\0CR\x02\0" + bytes(40)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setitem(sys.modules, "rawpy", None)
    no_avif = ("JPEG", "PNG", "TIFF")
    monkeypatch.setattr("wordsight.images.identify.readable_formats", lambda: no_avif)
    cases = {
        "phone.heic": (encoded_heic(scene()), "Reading HEIC images needs .*pip install 'wordsight\\[search\\]'"),
        "a.avif": (
            encoded(scene(), "AVIF"),
            "is an AVIF image, which this Pillow cannot read; pip install --upgrade",
        ),
        "sensor.dng": (
            sensor,
            "is not an image that Pillow can read; .*; camera RAW needs: pip install 'wordsight\\[raw\\]'",
        ),
        "previewed.dng": (previewed, "Reading camera RAW needs .*pip install 'wordsight\\[raw\\]'"),
        "canon.cr2": (canon, "Reading camera RAW needs .*pip install 'wordsight\\[raw\\]'"),
    }
    for name, (content, reason) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ImageError, match=rf"{name}: {reason}"):
            read_image(tmp_path / name)


def test_heic_images_are_read_from_paths_and_bytes(tmp_path):
    content = encoded_heic(scene())
    Image.init()
    kinds = dict(Image.OPEN)
    (tmp_path / "phone.jpg").write_bytes(content)  # whatever they are called
    for source in (content, tmp_path / "phone.jpg"):
        assert mean_difference(read_image(source), scene()) < 4
    assert kinds == Image.OPEN  # Pillow's own list is the caller's


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_orientation_is_applied_once(orientation):
    """libheif turns the pixels itself; EXIF says so too and must not turn them again."""
    upright = scene()
    turn_back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright.transpose(turn_back[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert mean_difference(read_image(encoded_heic(stored, exif=exif.tobytes())), upright) < 4


def test_heic_transparency_10_bits_and_bursts():
    rgba = scene().convert("RGBA")
    rgba.putalpha(0)
    assert np.asarray(read_image(encoded_heic(rgba))).min() > 250
    wide = pillow_heif.from_bytes("RGB;16", (64, 48), np.full((48, 64, 3), 32768, "<u2").tobytes())
    buffer = io.BytesIO()
    wide.save(buffer, quality=-1)
    assert pillow_heif.open_heif(buffer, convert_hdr_to_8bit=False).info["bit_depth"] in (10, 12)
    assert abs(np.asarray(read_image(buffer.getvalue())).astype(int) - 128).max() <= 2
    burst = pillow_heif.from_pillow(Image.new("RGB", (64, 48), "red"))
    burst.add_from_pillow(Image.new("RGB", (64, 48), "blue"))
    buffer = io.BytesIO()
    burst.save(buffer, primary_index=1)
    assert read_image(buffer.getvalue()).getpixel((9, 9))[2] > 240  # the one its camera shows


def test_heic_over_the_limit_is_refused(monkeypatch):
    content = encoded_heic(scene(400, 300))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    with pytest.raises(ImageError, match="has 120,000 pixels, which take"):
        read_image(content)


def test_avif_first_frame_and_orientation():
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(scene().transpose(Image.Transpose.ROTATE_90), "AVIF", exif=exif, quality=90)
    assert mean_difference(read_image(content), scene()) < 6
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    animated = encoded(frames[0], "AVIF", save_all=True, append_images=frames[1:])
    assert read_image(animated).getpixel((4, 4))[0] > 240


# four fields of known linear colours, the darkest 0.1 and the brightest 1, so that nothing needs brightening
FIELDS = {(0, 0): (1, 0.1, 0.1), (0, 1): (0.1, 0.8, 0.1), (1, 0): (0.1, 0.1, 0.8), (1, 1): (0.5, 0.5, 0.5)}


def fields(height: int, width: int) -> np.ndarray:
    linear = np.zeros((height, width, 3))
    for (row, column), colour in FIELDS.items():
        linear[row * height // 2 :, column * width // 2 :][: height // 2, : width // 2] = colour
    return linear


def in_srgb(linear) -> np.ndarray:
    """IEC 61966-2-1."""
    linear = np.asarray(linear)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def test_raw_colours_are_those_that_the_sensor_saw():
    image = np.asarray(read_image(small_dng(bayer(fields(64, 96)))))
    assert image.shape == (64, 96, 3)
    for (row, column), colour in FIELDS.items():
        seen = image[16 + 32 * row, 24 + 48 * column]
        assert np.abs(seen - in_srgb(colour)).max() < 3, (colour, seen)


def dated(**tags: str) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x0132] = "2024:01:01 00:00:00"  # when a program last wrote the file: not when it was taken
    details = exif.get_ifd(0x8769)
    for name, value in tags.items():
        details[{"original": 0x9003, "digitized": 0x9004}[name]] = value
    return exif


def test_a_header_tells_size_as_seen_and_when_it_was_taken(tmp_path, monkeypatch):
    path = tmp_path / "phone.jpg"
    path.write_bytes(
        encoded(scene(), "JPEG", exif=dated(original="2021:05:03 10:11:12", digitized="2022:01:01 00:00:00"))
    )
    monkeypatch.setattr(Image.Image, "convert", None)  # nothing is decoded
    assert read_header(path) == read_header(path.read_bytes()) == Header(48, 64, "2021-05-03T10:11:12")
    scanned = encoded(scene(), "PNG", exif=dated(digitized="1998:07:01 08:00:00.5"))
    assert read_header(scanned).taken == "1998-07-01T08:00:00"
    for nothing in ({}, {"original": "0000:00:00 00:00:00"}, {"original": "    :  :     :  :  "}):
        assert read_header(encoded(scene(), "JPEG", exif=dated(**nothing))) == Header(48, 64)
    assert read_header(np.zeros((4, 5, 3), np.uint8)) == read_header(Image.new("L", (5, 4))) == Header(5, 4)


def test_headers_of_heic_and_raw():
    heic = encoded_heic(scene(), exif=dated(original="2021:05:03 10:11:12").tobytes())
    assert read_header(heic) == Header(48, 64, "2021-05-03T10:11:12")
    assert read_header(small_dng(bayer(fields(64, 96)))) == Header(96, 64)
    preview = encoded(scene(30, 20), "JPEG")
    turned = small_dng(
        bayer(fields(64, 96)), orientation=6, preview=preview, preview_size=(30, 20), taken="2020:02:03 04:05:06"
    )
    assert read_header(turned) == Header(64, 96, "2020-02-03T04:05:06")


def test_headers_that_cannot_be_read_say_why(tmp_path):
    with pytest.raises(ImageError, match=r"^5 bytes: is not an image that Pillow can read"):
        read_header(b"hello")
    with pytest.raises(ImageError, match=r"gone.png: no such file"):
        read_header(tmp_path / "gone.png")
    with pytest.raises(InputError, match="given as int, expected a path"):
        read_header(3)


def test_raw_is_read_at_half_its_size_where_that_is_enough(tmp_path):
    path = tmp_path / "sensor.DNG"
    path.write_bytes(small_dng(bayer(fields(64, 96))))
    assert read_image(path, at_least=32).size == (48, 32)
    assert read_image(path, at_least=33).size == (96, 64)
    turned = read_image(small_dng(bayer(fields(64, 96)), orientation=6), at_least=32)
    assert turned.size == (32, 48)
    assert turned.getpixel((24, 12))[0] > 250  # red, at the upper left before, is at the upper right


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_preview_of_raw_is_taken_where_it_is_large_enough(orientation):
    gray = np.full((400, 600, 3), 0.5)
    preview = scene(300, 200)
    content = small_dng(
        bayer(gray), orientation=orientation, preview=encoded(preview, "JPEG", quality=95), preview_size=(300, 200)
    )
    turn = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90}
    upright = preview if orientation == 1 else preview.transpose(turn[orientation])
    assert mean_difference(read_image(content, at_least=200), upright) < 3
    assert read_image(content, at_least=50).size == tuple(side // 2 for side in upright.size)  # itself scaled by DCT
    assert sorted(read_image(content, at_least=201).size) == [400, 600]
    assert sorted(read_image(content).size) == [400, 600]  # no preview stands for all pixels unless it has as many


def test_a_preview_of_another_shape_shows_another_part(monkeypatch):
    content = small_dng(bayer(fields(64, 96)), preview=encoded(scene(64, 64), "JPEG"), preview_size=(64, 64))
    assert read_image(content, at_least=33).size == (96, 64)


def test_raw_that_cannot_be_read_says_why(monkeypatch):
    content = small_dng(bayer(fields(64, 96)))
    for damaged in (content[:3000], b"FUJIFILMCCD-RAW " + bytes(500), b"II*\0" + bytes(60)):
        with pytest.raises(ImageError, match=r"bytes: is a camera RAW file that LibRaw cannot read \(\w"):
            read_image(damaged)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ImageError, match="has 6,144 pixels, more than the limit of 2,000 pixels"):
        read_image(content)
    assert read_image(content, at_least=10).size == (48, 32)  # half of each side is within it


def test_every_ending_that_pillow_reads_is_known_or_left_out_on_purpose():
    left_out = {
        *(".bufr", ".grib", ".h5", ".hdf", ".mpeg", ".mpg", ".eps", ".ps", ".wmf", ".emf"),  # see identify._REFUSED
        *(".blp", ".cur", ".dcx", ".dds", ".fit", ".fits", ".flc", ".fli", ".ftc", ".ftu", ".gbr", ".icns", ".iim"),
        *(".im", ".msp", ".pcd", ".pfm", ".pxr", ".ras", ".xbm", ".xpm", ".vda", ".vst", ".icb"),  # of programs, games
        *(".bw", ".rgb", ".rgba", ".jpc", ".avifs"),  # rare names of kinds that are known by others
    }
    Image.init()
    read = {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    assert read - EXTENSIONS <= left_out


def test_a_wrong_extension_does_not_matter(tmp_path):
    path = tmp_path / "really_a_png.jpg"
    path.write_bytes(encoded(scene(), "PNG"))
    assert mean_difference(read_image(path), scene()) == 0


def test_paths_that_are_no_files(tmp_path):
    with pytest.raises(ImageError, match=r"missing.jpg: no such file"):
        read_image(tmp_path / "missing.jpg")
    with pytest.raises(ImageError, match="is a folder; give the images in it"):
        read_image(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match=r"pipe.jpg: is not a regular file"):
        read_image(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match=r"x.jpg: is a URL, not a file; download it first"):
        read_image("https://example.org/x.jpg")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_unreadable_files(tmp_path):
    path = tmp_path / "secret.png"
    scene().save(path)
    path.chmod(0)
    with pytest.raises(ImageError, match="no permission"):
        read_image(path)


def test_odd_file_names(tmp_path):
    for name in ["new\nline.png", "naïve 猫.png", os.fsdecode(b"latin1-\xe9.png")]:
        path = tmp_path / name
        path.write_bytes(encoded(scene(), "PNG"))
        assert read_image(path).size == (64, 48)
        path.write_bytes(b"")
        with pytest.raises(ImageError) as caught:
            read_image(path)
        assert "\n" not in str(caught.value)
        str(caught.value).encode()  # printable everywhere
    assert source_name("a\nb\udce9.png") == r"a\nb\xe9.png"
    screenshot = "Screenshot 3.04\u202fPM 👩\u200d🚀.png"  # as macOS names them; a joiner in the emoji
    assert "\u202f" in source_name(screenshot)
    assert recorded_path(screenshot) == screenshot
    assert recorded_path("a\n\u2028b\udce9.png") == r"a\n\u2028b\xe9.png"


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3)),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((3, 4, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_arrays_of_other_shapes_and_types_are_refused(array):
    with pytest.raises(InputError, match=r"expected uint8 of shape \(H, W\), \(H, W, 3\) or \(H, W, 4\)"):
        read_image(array)


def test_arrays_gray_alpha_and_strided():
    assert read_image(np.full((4, 5), 7, np.uint8)).getpixel((0, 0)) == (7, 7, 7)
    assert read_image(np.zeros((4, 5, 4), np.uint8)).getpixel((0, 0)) == (255, 255, 255)
    bgr = np.asarray(scene())[:, :, ::-1]
    assert mean_difference(read_image(bgr[:, :, ::-1]), scene()) == 0
    with pytest.raises(InputError, match="given as dict, expected a path"):
        read_image({})


def test_pillows_warnings_stay_inside_and_others_come_through(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)
    png = encoded(scene(), "PNG")  # 3,072 pixels: over the first limit, under the second
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        with ThreadPoolExecutor(4) as pool:
            assert len(list(pool.map(read_image, [png] * 40))) == 40
        assert warnings.filters == before
        warnings.warn("of the caller", stacklevel=1)
    assert [str(w.message) for w in seen] == ["of the caller"]


def test_a_skipped_image_keeps_its_item_and_the_bare_reason(tmp_path):
    path = tmp_path / "empty.jpg"
    path.touch()
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert record_skipped(path, caught.value) == Skipped(path, "the file is empty")
    with pytest.raises(ImageError, match="PIL image RGB 0×4: "):
        read_image(Image.new("RGB", (0, 4)))
