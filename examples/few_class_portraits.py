"""Few classes, few examples each: whose portrait is it? Words say what an image shows, examples say who.

Command: `python examples/few_class_portraits.py` with three bundled "sitters", of whom views of one image stand in
    for several photos; or `python examples/few_class_portraits.py FOLDER`, with a subfolder of photos of each person.
Time: 4 s on two CPU cores.
Result: Of 18 views, names are right on 33 %, which is chance: the model knows nobody. Descriptions are right on 72 %,
    but on one view of six of the woman in a space suit; two examples of each person on all. Views of one image are
    much easier than other photos of the same person, so expect less of yours.
Limits: This compares whole images, hair, clothes and background among them. It is not face recognition: it sorts a
    folder of a few people who look different, and says nothing about who somebody is.
"""

# %% Photos: two of each person are the examples, the others are to be sorted
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import ImageEnhance, ImageOps

import wordsight

EXAMPLES = 2
SITTERS = {"Eileen": "astronaut.jpg", "Charles": "photographer.jpg", "Chelsea": "cat.jpg"}
SEEN = {"Eileen": "a woman in a space suit", "Charles": "a man with a camera", "Chelsea": "a cat"}


def make_photos(path: Path) -> list:
    """Eight views of an image, in the place of eight photos: cropped, mirrored, darker, grey."""
    image = wordsight.read_image(path)
    width, height = image.size
    parts = [(0, 0, 0.8, 0.8), (0.2, 0, 1, 0.8), (0, 0.2, 0.8, 1), (0.2, 0.2, 1, 1), (0.1, 0.1, 0.9, 0.9)]
    views = [image.crop((int(a * width), int(b * height), int(c * width), int(d * height))) for a, b, c, d in parts]
    return [*views, ImageOps.mirror(views[0]), ImageEnhance.Brightness(views[1]).enhance(0.6), views[2].convert("L")]


given = [word for word in sys.argv[1:] if not word.startswith("-")]
if given:
    folders = [path for path in sorted(Path(given[0]).iterdir()) if path.is_dir()]
    photos = {folder.name: [path for path in sorted(folder.iterdir()) if path.is_file()] for folder in folders}
else:
    files = {path.name: path for path in wordsight.sample_images()}
    photos = {name: make_photos(files[file]) for name, file in SITTERS.items()}
people = list(photos)
if len(people) < 2 or min(map(len, photos.values())) <= EXAMPLES:
    raise SystemExit(f"Give a folder with two or more subfolders of more than {EXAMPLES} photos each.")

model = wordsight.load("mini")
embedded = {name: model.embed_images(images) for name, images in photos.items()}
test_ND = np.concatenate([rows[EXAMPLES:] for rows in embedded.values()])
truth = np.repeat(people, [len(rows) - EXAMPLES for rows in embedded.values()])
chance = 1 / len(people)
print(f"{len(people)} people, {EXAMPLES} examples each, {len(truth)} photos to sort, chance level {chance:.0%}\n")


def report(way: str, answers: list[str]) -> None:
    """Print how many answers are right, in all and of each person."""
    right = truth == np.array(answers)
    each = ", ".join(f"{name} {right[truth == name].sum()}/{(truth == name).sum()}" for name in people)
    print(f"{way:24} {right.mean():4.0%}   ({each})")


# %% By name: the model has learnt what things are called, not who these people are
named = wordsight.Classifier(model, people)
report("by name", [best[0][0] for best in named.rank(named.proba_of_embeddings(test_ND), k=1)])

# %% By words for what can be seen
if not given:
    described = wordsight.Classifier(model, {name: [words] for name, words in SEEN.items()})
    report("by description", [best[0][0] for best in described.rank(described.proba_of_embeddings(test_ND), k=1)])

# %% By example: the nearest mean of a person's examples
mean_KD = np.stack([rows[:EXAMPLES].mean(axis=0) for rows in embedded.values()])
mean_KD /= np.linalg.norm(mean_KD, axis=1, keepdims=True)
cosine_NK = test_ND @ mean_KD.T
report("by the mean of examples", [people[k] for k in cosine_NK.argmax(axis=1)])

# %% By example, with a gallery: it keeps the examples, takes more at any time, and answers from the disk
with tempfile.TemporaryDirectory() as folder, wordsight.Gallery.create(Path(folder) / "people", model=model) as gallery:
    gallery.add(
        (f"{name}/{number}", image, {"person": name})
        for name, images in photos.items()
        for number, image in enumerate(images[:EXAMPLES])
    )
    asked = [image for images in photos.values() for image in images[EXAMPLES:]]
    nearest = [hits[0].meta["person"] for hits in gallery.search_many(asked, k=1)]
report("by the nearest example", nearest)

# %% Whom to doubt: photos that are nearly as close to a second person
sorted_NK = np.sort(cosine_NK, axis=1)
margin_N = sorted_NK[:, -1] - sorted_NK[:, -2]
closest = int(margin_N.argmin())
print(f"\nleast certain: a photo of {truth[closest]}, {margin_N[closest]:.2f} between the first and the second mean")
