"""The bundled sample images and the classes that `wordsight demo` sorts them into."""

from __future__ import annotations

from pathlib import Path

# one class for each image but the retina's, whose right answer is "none of these"; and some that no image shows
DEMO_CLASSES = (
    "cat",
    "dog",
    "horse",
    "astronaut",
    "photographer",
    "rocket",
    "stars",
    "cup of coffee",
    "strawberry",
    "pizza",
    "bicycle",
    "sailing boat",
    "bricks",
    "grass",
)


def sample_images() -> list[Path]:
    """Paths of the bundled images, by name; `CREDITS.md` beside them says whose they are."""
    folder = Path(__file__).parent / "data" / "samples"
    return sorted(path for path in folder.iterdir() if path.suffix in (".jpg", ".png"))
