"""Servers for tests: a small gallery of sample images, a table with columns and a document, and a real server on it."""

import contextlib
import csv
import threading
import time

import httpx

from wordsight.gallery import Gallery
from wordsight.samples import sample_images
from wordsight.serve.run import make_server, open_socket
from wordsight.serve.settings import Settings

COLUMNS = ("image", "title", "colour", "price", "in_stock", "added")
COLOURS = ("red", "green", "blue")


def write_sources(folder):
    """Folders of images, a table of products and a PDF below `folder`; returns their paths."""
    photos, shop = folder / "photos", folder / "shop"
    photos.mkdir(parents=True)
    shop.mkdir()
    samples = sample_images()
    for image in samples:
        (photos / image.name).write_bytes(image.read_bytes())
    with open(shop / "products.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for i, image in enumerate(samples):
            (shop / image.name).write_bytes(image.read_bytes())
            day = f"2024-0{1 + i % 9}-11"
            writer.writerow([image.name, f"{image.stem} no {i}", COLOURS[i % 3], 10 + i * 7.5, i % 2 == 0, day])
    return [photos, shop / "products.csv"]


def make_gallery(folder):
    """Location of a new index of those sources, made with "mini"."""
    place = folder / "index"
    with Gallery.create(place) as gallery:
        for source in write_sources(folder):
            gallery.add(source)
    return place


@contextlib.contextmanager
def run_server(settings=None, *, wait=True, prepare=None, **changes):
    """A real server on a free port, in a thread: yields an httpx.Client of its address (`client.base_url`).

    prepare: called with the application before it starts, to add routes that a test needs.
    """
    settings = settings or Settings(port=0, page=False, **changes)
    listener = open_socket(settings)
    server = make_server(settings)
    if prepare:
        prepare(server.config.app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    headers = {"Authorization": f"Bearer {settings.token}"} if settings.token else {}
    with httpx.Client(base_url=address, headers=headers, timeout=60, trust_env=False) as client:
        _wait(client, "/readyz" if wait else "/healthz")
        try:
            yield client
        finally:
            server.should_exit = True
            thread.join(60)
            assert not thread.is_alive(), "the server did not stop"


def _wait(client, path):
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with contextlib.suppress(httpx.TransportError):
            if client.get(path).status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError(f"{path} did not answer 200 within two minutes")
