"""Decoding in processes: what hostile images cost is themselves."""

import asyncio
import contextlib
import io
import os
import signal
import struct
import sys
import time
import zlib

import numpy as np
import pytest
from fake_engine import ANNA, SEARCHER, fake_engine, queued, started
from PIL import Image
from small_spec import small_spec

from wordsight.images.skipped import Skipped
from wordsight.model import read_pixels
from wordsight.samples import sample_images
from wordsight.serve.engine.decoders import Decoders
from wordsight.serve.engine.metrics import Metrics
from wordsight.serve.settings import Limits

SAMPLE = sample_images()[0].read_bytes()
SLEEPS = (sys.executable, "-c", "import sys, time; sys.stdin.buffer.readline(); time.sleep(600)")
DIES = (sys.executable, "-c", "import os, sys; sys.stdin.buffer.readline(); os.abort()")


@contextlib.contextmanager
def pool(**options):
    limits = Limits(**options.pop("limits", {}))
    decoders = Decoders(limits, Metrics(), processes=1, **options)
    try:
        yield decoders
    finally:
        decoders.stop()
        assert decoders.pids == []


def embed(decoders, *images):
    """What an engine answers for images, decoded by these processes."""

    async def main():
        async with fake_engine(decoders) as engine:
            return await engine.embed_images(images, ANNA)

    return asyncio.run(main())


def bomb(side=20_000):
    """PNG of a few kilobytes that claims, and has, 400 megapixels."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    packed = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    data = b"".join([*(packed.compress(row) for _ in range(side)), packed.flush()])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def scans(count=5000):
    """Progressive JPEG whose last scan is repeated thousands of times."""
    out = io.BytesIO()
    Image.effect_noise((400, 400), 60).save(out, "JPEG", progressive=True)
    whole = out.getvalue()
    last = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + last * count + whole[-2:]


def test_pixels_are_those_of_the_library(tmp_path):
    (tmp_path / "ünï.jpg").write_bytes(SAMPLE)
    with pool() as decoders:

        async def main():
            async with fake_engine(decoders) as engine:
                encoder = engine._encoder
                seen = []
                encoder.loaded.model.encoder.encode_images = lambda pixels: seen.extend(pixels) or np.ones((2, 8))
                await engine.embed_images([SAMPLE, tmp_path / "ünï.jpg"], ANNA)
                return seen

        expected = read_pixels(SAMPLE, small_spec().preprocess)
        for pixels in asyncio.run(main()):
            np.testing.assert_array_equal(pixels, expected)


def test_a_decompression_bomb_is_refused_by_its_header():
    with pool(limits={"pixels": 1_000_000}) as decoders:
        start = time.perf_counter()
        skipped, vector = embed(decoders, bomb(), SAMPLE)
        assert time.perf_counter() - start < 10
    assert "has 400,000,000 pixels (20,000×20,000), more than the limit of 1,000,000" in skipped.reason
    assert vector.shape == (8,)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (b"", "the file is empty"),
        (b"no image", "is not an image"),
        (SAMPLE[:2000], "truncated"),
        (scans(), "scans over 160,000 pixels"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not an image"),
    ],
)
def test_what_cannot_be_read_is_skipped_with_its_reason(image, reason):
    with pool() as decoders:
        skipped, vector = embed(decoders, image, SAMPLE)
    assert isinstance(skipped, Skipped)
    assert reason in skipped.reason
    assert skipped.item == image
    assert vector.shape == (8,)


def test_a_file_that_is_gone_is_skipped(tmp_path):
    with pool() as decoders:
        (skipped,) = embed(decoders, tmp_path / "gone.jpg")
    assert skipped.reason == "no such file"


def test_an_image_that_takes_too_long_ends_its_process_and_is_skipped():
    with pool(limits={"decode_seconds": 0.3}, command=SLEEPS) as decoders:
        first, second = embed(decoders, SAMPLE, SAMPLE)
    assert first.reason == second.reason == "took longer than 0.3 seconds to decode"


def test_a_search_does_not_wait_for_bulk_images_that_take_long():
    with pool(limits={"decode_seconds": 1}, command=SLEEPS) as decoders:

        async def main():
            async with fake_engine(decoders) as engine:
                bulk = asyncio.create_task(engine.embed_images([SAMPLE] * 3, ANNA))
                while decoders.running < 1:
                    await asyncio.sleep(0.01)
                search = asyncio.create_task(engine.embed_images([SAMPLE], SEARCHER))
                while decoders.running < 2:
                    await asyncio.sleep(0.01)
                await asyncio.gather(bulk, search)

        asyncio.run(main())


def test_an_image_that_crashes_its_process_is_skipped():
    with pool(command=DIES) as decoders:
        (skipped,) = embed(decoders, SAMPLE)
    assert skipped.reason == "ended the process that decodes it, or needs too much memory"


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_a_process_that_somebody_kills_is_started_again_and_the_image_decoded():
    with pool() as decoders:

        async def main():
            async with fake_engine(decoders) as engine:
                pids = []
                for _ in range(3):
                    (vector,) = await engine.embed_images([SAMPLE], ANNA)
                    assert vector.shape == (8,)
                    pids += decoders.pids
                    os.kill(decoders.pids[0], signal.SIGKILL)
                return pids

        assert len(set(asyncio.run(main()))) == 3


def test_images_of_a_client_that_left_are_not_decoded():
    with pool() as decoders:

        async def main():
            async with fake_engine(decoders) as engine:
                engine.fake.hold()
                first = asyncio.create_task(engine.embed_images([SAMPLE], ANNA))
                await started(engine.fake)
                gone = asyncio.create_task(engine.embed_images([SAMPLE] * 200, ANNA))
                await queued(engine, 201)
                gone.cancel()
                await asyncio.wait({gone})
                assert engine.admission.waiting == 1
                assert len(engine._queue) == len(decoders._queue) == 0
                engine.fake.release()
                await first
                assert len(engine.fake.batches) == 1
                vectors = await engine.embed_images([SAMPLE] * 100, ANNA)  # the places for decoded images are free
                assert len(vectors) == 100

        asyncio.run(main())


def test_processes_without_work_end(tmp_path):
    with pool(idle_seconds=0.05) as decoders:

        async def main():
            async with fake_engine(decoders) as engine:
                await engine.embed_images([SAMPLE], ANNA)
                for _ in range(500):
                    if not decoders.pids:
                        break
                    await asyncio.sleep(0.01)
                assert decoders.pids == []
                (vector,) = await engine.embed_images([SAMPLE], ANNA)
                assert vector.shape == (8,)

        asyncio.run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_has_a_limit_of_memory_and_loads_no_encoder():
    with pool() as decoders:
        embed(decoders, SAMPLE)
        (pid,) = decoders.pids
        with open(f"/proc/{pid}/limits") as limits:
            (line,) = [line for line in limits if line.startswith("Max address space")]
        with open(f"/proc/{pid}/maps") as maps:
            assert "openvino" not in maps.read()
    assert int(line.split()[3]) < 4 << 30
