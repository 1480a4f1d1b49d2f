"""Reading pictures of every kind that people have, and saying why when one cannot be read."""

import io
import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageDraw

from wordsight.errors import ImageError, InputError
from wordsight.images import Skipped, read_image, recorded_path, skipped, source_name


def scene(width: int = 64, height: int = 48) -> Image.Image:
    """A smooth picture with one red corner, so that orientation and channel order show."""
    ramp = np.linspace(40, 200, width * height).reshape(height, width)
    image = Image.fromarray(np.stack([ramp * 0.3, ramp * 0.6, ramp], 2).astype(np.uint8))
    ImageDraw.Draw(image).rectangle((0, 0, width // 4, height // 4), fill=(255, 0, 0))
    return image


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def mean_difference(a: Image.Image, b: Image.Image) -> float:
    assert a.mode == b.mode == "RGB"
    assert a.size == b.size
    return float(np.abs(np.asarray(a).astype(int) - np.asarray(b).astype(int)).mean())


def test_every_kind_of_source_gives_the_same_picture(tmp_path):
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


def test_16_bit_pictures_keep_their_upper_8_bits():
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


def test_pictures_over_the_limit_are_refused_unless_scaling_makes_them_fit(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    image = scene(400, 300)
    jpeg, png = encoded(image, "JPEG"), encoded(image, "PNG")
    assert read_image(jpeg, at_least=32).size == (100, 75)
    with pytest.raises(ImageError, match=r"has 120,000 pixels, more than the limit of 10,000 pixels; make it smaller"):
        read_image(jpeg)
    with pytest.raises(ImageError, match=r"more than the limit of 10,000 pixels.*120000 pixels"):
        read_image(png, at_least=32)
    with pytest.raises(ImageError, match=r"has 120,000 pixels"):
        read_image(encoded(image, "JPEG", progressive=True), at_least=32)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert read_image(png).size == (400, 300)


def test_what_cannot_be_read_says_why(tmp_path):
    png, jpeg = encoded(scene(), "PNG"), encoded(scene(), "JPEG")
    heic = b"\0\0\0\x18ftypheic" + bytes(40)
    cases = {
        "empty.jpg": (b"", "the file is empty"),
        "text.jpg": (b"hello, I am no picture", "not a picture that Pillow can read; it starts with b'hello, I am '"),
        "cut.png": (png[: len(png) // 2], "truncated|damaged"),
        "cut.jpg": (jpeg[: len(jpeg) // 2], "[Tt]runcated"),
        "head.jpg": (jpeg[:12], "."),
        "phone.heic": (heic, "HEIC picture; install pillow-heif"),
        "page.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture that Pillow can read"),
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


def test_a_wrong_extension_does_not_matter(tmp_path):
    path = tmp_path / "really_a_png.jpg"
    path.write_bytes(encoded(scene(), "PNG"))
    assert mean_difference(read_image(path), scene()) == 0


def test_paths_that_are_no_files(tmp_path):
    with pytest.raises(ImageError, match=r"missing.jpg: no such file"):
        read_image(tmp_path / "missing.jpg")
    with pytest.raises(ImageError, match="is a folder; give the pictures in it"):
        read_image(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match=r"pipe.jpg: is not a regular file"):
        read_image(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match=r"x.jpg: is an address, not a file; download it first"):
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


def test_a_skipped_picture_keeps_its_item_and_the_bare_reason(tmp_path):
    path = tmp_path / "empty.jpg"
    path.touch()
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert skipped(path, caught.value) == Skipped(path, "the file is empty")
    with pytest.raises(ImageError, match="PIL picture RGB 0×4: "):
        read_image(Image.new("RGB", (0, 4)))
