"""Limits on images that would take minutes or gigabytes to decode, each said with its reason."""

import io
import struct
import time

import numpy as np
import pytest
from PIL import Image

from wordsight.errors import ImageError
from wordsight.images.decode import read_image
from wordsight.images.jpeg_scans import MOST_SCANS


def jpeg(**options):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 96, 3)).astype(np.uint8))
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def with_scans(count):
    """A progressive JPEG of 4,000 × 4,000 pixels whose last scan is repeated."""
    content = jpeg(progressive=True)
    last = content[content.rindex(b"\xff\xda") : -2]
    longer = bytearray(content[:-2] + last * count + b"\xff\xd9")
    frame = longer.index(b"\xff\xc2")
    longer[frame + 5 : frame + 9] = struct.pack(">HH", 4000, 4000)
    return bytes(longer)


def refused_at_once(content, reason):
    began = time.monotonic()
    with pytest.raises(ImageError, match=reason):
        read_image(content, at_least=224)
    assert time.monotonic() - began < 2


def test_a_jpeg_of_thousands_of_scans_is_refused():
    refused_at_once(with_scans(20_000), rf"is a JPEG of more than {MOST_SCANS} scans over 16,000,000 pixels")


def test_usual_jpegs_are_read_whatever_their_scans():
    for options in ({}, {"progressive": True}, {"progressive": True, "quality": 100, "subsampling": 0}):
        assert read_image(jpeg(**options)).size == (96, 64)


def test_a_thumbnail_inside_a_jpeg_is_not_a_scan():
    content = jpeg(progressive=True)
    thumbnails = (b"\xff\xe1" + struct.pack(">H", 42) + b"\xff\xda" * 20) * 200
    assert read_image(content[:2] + thumbnails + content[2:]).size == (96, 64)


@pytest.mark.parametrize(
    ("between", "reason"),
    [
        (b"\xff\xe2\x00\x10ICC_PROFILE\0\1\2" * 50_000, "of more than 10,000 segments before its image"),
        (bytes(20 << 20), "more than 1,048,576 bytes of junk before its image"),
    ],
)
def test_headers_without_end_are_refused(between, reason):
    content = jpeg()
    refused_at_once(content[:20] + between + content[20:], reason)  # after the first segment


def test_the_limit_of_memory_counts_what_decoders_take(monkeypatch):
    """A WebP takes 16 bytes a pixel while it is decoded, a PNG 3."""
    monkeypatch.setenv("WORDSIGHT_IMAGE_MEMORY", "50")
    image = Image.new("RGB", (2000, 2000), "red")
    for name, fits in (("PNG", True), ("WEBP", False)):
        file = io.BytesIO()
        image.save(file, name)
        if fits:
            assert read_image(file.getvalue()).size == image.size
        else:
            refused_at_once(file.getvalue(), "which take 61 MiB of memory, more than the limit of 50 MiB")


def test_a_strip_that_is_decoded_whole_counts_too(monkeypatch):
    monkeypatch.setenv("WORDSIGHT_IMAGE_MEMORY", "25")
    image = Image.new("RGB", (2000, 2000), "red")
    file = io.BytesIO()
    image.save(file, "TIFF", compression="tiff_deflate", tiffinfo={278: 2000})
    refused_at_once(file.getvalue(), "which take 31 MiB of memory, more than the limit of 25 MiB")
    file = io.BytesIO()
    image.save(file, "TIFF", compression="tiff_deflate")
    assert read_image(file.getvalue()).size == image.size
