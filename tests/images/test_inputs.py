"""Images as Python code holds them: every kind that people have one in, and the messages about others."""

import io
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wordsight.errors import ImageError, InputError
from wordsight.images.decode import read_image
from wordsight.images.header import read_header
from wordsight.images.inputs import PathAsTextWarning, as_image, is_image_like, warn_of_paths
from wordsight.images.names import source_name

PIXELS = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
PNG = io.BytesIO()
Image.fromarray(PIXELS).save(PNG, "PNG")  # which leaves the file at its end, as people do


class Upload:
    """Upload as of a web framework: a file whose own `read` must be awaited."""

    def __init__(self, content):
        self.file = io.BytesIO(content)

    async def read(self):
        raise AssertionError("not awaited here")


class Tensor:
    """An array of another library, known by its methods alone."""

    def __init__(self, pixels):
        self._pixels = np.asarray(pixels)
        self.shape, self.ndim, self.dtype = self._pixels.shape, self._pixels.ndim, self._pixels.dtype

    def __array__(self, dtype=None, copy=None):
        return self._pixels


def kinds(tmp_path):
    content = PNG.getvalue()
    path = tmp_path / "cat.png"
    path.write_bytes(content)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("cat.png", content)
    chw = np.moveaxis(PIXELS, -1, 0)
    return {
        "path": path,
        "bytes": content,
        "bytearray": bytearray(content),
        "memoryview": memoryview(content),
        "BytesIO": PNG,
        "open file": path.open("rb"),
        "member of an archive": zipfile.ZipFile(tmp_path / "all.zip").open("cat.png"),
        "upload": Upload(content),
        "PIL": Image.open(path),
        "array": PIXELS,
        "tensor as in torchvision": Tensor(chw),
        "tensor of floats": Tensor(chw.astype(np.float32) / 255),
        "tensor, colours last": Tensor(PIXELS),
        "dataset's cell": {"bytes": content, "path": None},
        "dataset's path": {"bytes": None, "path": str(path)},
    }


def test_every_kind_of_image_is_the_same_image(tmp_path):
    for kind, image in kinds(tmp_path).items():
        for _ in range(1 if "file" in kind else 2):
            assert np.array_equal(np.asarray(read_image(image)), PIXELS), kind
        assert (read_header(image).width, read_header(image).height) == (4, 5), kind
        assert is_image_like(image), kind


def test_words_vectors_and_collections_are_not_images():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"path": ["a.jpg"]})
    for value in ("cat.jpg", 5, None, np.ones(8, np.float32), ["a.jpg"], frame, frame["path"], {"path": None}, {}):
        assert not is_image_like(value), value


def test_a_file_is_left_where_it_stood():
    PNG.seek(7)
    assert as_image(PNG) == PNG.getvalue()
    assert PNG.tell() == 7


def test_a_stream_that_cannot_go_back_is_read_from_where_it_is():
    class Socket(io.RawIOBase):
        def __init__(self):
            self.rest = [PNG.getvalue(), b""]

        def readable(self):
            return True

        def readall(self):
            return self.rest.pop(0)

    assert np.array_equal(np.asarray(read_image(Socket())), PIXELS)


@pytest.mark.parametrize("convert", [lambda t: t, lambda t: t.float() / 255, lambda t: (t.float() / 255).bfloat16()])
def test_torch_tensors_are_images(convert):
    torch = pytest.importorskip("torch")
    tensor = convert(torch.from_numpy(PIXELS).permute(2, 0, 1)).requires_grad_(False)
    assert np.array_equal(np.asarray(read_image(tensor)), PIXELS)
    grey = convert(torch.from_numpy(PIXELS[:, :, :1].copy()).permute(2, 0, 1))
    assert np.array_equal(np.asarray(read_image(grey)), PIXELS[:, :, [0, 0, 0]])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (5, "given as int, expected a path, bytes, an open file"),
        (None, "given as NoneType"),
        (float("nan"), "given as NaN, as of an empty cell"),
        (io.StringIO("text"), "gives str, expected bytes; open it with 'rb'"),
        (Tensor(np.full((3, 4, 4), 1.5)), "values from 1.5 to 1.5, expected floats from 0 to 1"),
        (Tensor(np.full((3, 4, 4), np.nan)), "values from nan to nan"),
        (Tensor(np.zeros((3, 4, 4), np.int64)), "type int64, expected uint8"),
    ],
)
def test_what_is_no_image_is_refused_with_what_to_do(value, message):
    with pytest.raises(InputError, match=message):
        read_image(value)


def test_a_table_is_refused_with_the_column_to_give():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(InputError, match=r"as a table \(DataFrame\).*df\['path'\]"):
        read_image(pandas.DataFrame({"path": ["a.jpg"]}))


def test_a_closed_file_is_an_image_that_cannot_be_read(tmp_path):
    with (tmp_path / "cat.png").open("wb") as file:
        pass
    with pytest.raises(ImageError, match=r"cat\.png: cannot be read \(.*closed"):
        read_image(file)


def test_names_of_images_are_short(tmp_path):
    named = kinds(tmp_path)
    assert source_name(named["open file"]).endswith("cat.png")
    assert source_name(named["BytesIO"]) == "BytesIO"
    assert source_name(named["tensor as in torchvision"]) == "Tensor (3, 5, 4) uint8"
    assert all(len(source_name(image)) < 200 for image in named.values())


def test_the_path_of_an_image_in_the_place_of_text_is_warned_of_with_what_to_write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("it's.JPG").write_bytes(b"")
    with pytest.warns(PathAsTextWarning, match=r'for the image: gallery\.search\(Path\("it\'s.JPG"\)\)') as caught:
        warn_of_paths(["a dog", "it's.JPG"], "gallery.search(Path({}))", stacklevel=1)
    assert [warning.filename for warning in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_paths(["there is none.jpg", "a dog", ".", 5], "…{}")
