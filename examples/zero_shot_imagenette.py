"""Zero-shot classification, as articles do it on Imagenette: the classes are words in a prompt, nothing is trained.

Command: `python examples/zero_shot_imagenette.py` sorts the bundled images; with a folder that has one subfolder for
    each class, `python examples/zero_shot_imagenette.py imagenette2-320/val`, it sorts those and counts.
Time: 3 s on two CPU cores; of a folder, about 60 images a second.
Result: 11 of the 12 bundled images are right. The astronaut, in front of a model of the shuttle, is "rocket". With
    half of the words, the six images that have lost theirs are "none of these"; so is the astronaut, wrongly.
"""

# %% The images and what they show
import sys
from collections import Counter
from pathlib import Path

import numpy as np

import wordsight

SAMPLES = {
    "astronaut.jpg": "astronaut", "bicycle.png": "bicycle", "bricks.jpg": "bricks", "cat.jpg": "cat",
    "coffee.jpg": "cup of coffee", "galaxies.jpg": "galaxies", "grass.jpg": "grass",
    "photographer.jpg": "photographer", "retina.jpg": "retina", "rocket.jpg": "rocket",
    "sailing-boat.png": "sailing boat", "strawberry.png": "strawberry",
}  # fmt: skip
# Imagenette's folders are named by WordNet; other folders by their class
IMAGENETTE = {
    "n01440764": "tench", "n02102040": "English springer", "n02979186": "cassette player", "n03000684": "chain saw",
    "n03028079": "church", "n03394916": "French horn", "n03417042": "garbage truck", "n03425413": "gas pump",
    "n03445777": "golf ball", "n03888257": "parachute",
}  # fmt: skip


def read_folder(folder: Path) -> dict[Path, str]:
    """Paths of the images in the subfolders, each with its class."""
    classes = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    if not classes:
        raise SystemExit(f"{folder} has no subfolders; expected one for each class, with images in it.")
    return {
        path: IMAGENETTE.get(one.name, one.name.replace("_", " "))
        for one in classes
        for path in sorted(one.iterdir())
        if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp")
    }


given = [word for word in sys.argv[1:] if not word.startswith("-")]
truth = {path: SAMPLES[path.name] for path in wordsight.sample_images()}
if given:
    truth = read_folder(Path(given[0]))

# %% Embed each image once; what cannot be read is listed, and left out of the count
model = wordsight.load("mini")
embedded = {}
for entry in model.stream_images(truth):
    if isinstance(entry, wordsight.Skipped):
        print("skipped:", entry.item, entry.reason)
    else:
        path, embedding_D = entry
        embedded[path] = embedding_D
paths = list(embedded)
image_ND = np.stack(list(embedded.values()))

# %% Classify: the bare label, CLIP's template, and the mean of 80 templates
names = list(dict.fromkeys(truth.values()))
answers = {}
for templates in ("plain", "photo", "imagenet-80"):
    classifier = wordsight.Classifier(model, names, templates=templates)
    ranked = classifier.rank(classifier.proba_of_embeddings(image_ND), k=1)
    answers[templates] = [best[0] for best in ranked]
    right = sum(answer == truth[path] for path, (answer, _) in zip(paths, answers[templates], strict=True))
    print(f"{templates:12} {right} of {len(paths)} right ({right / len(paths):.0%}), chance level {1 / len(names):.0%}")

# %% Look at the answers: of a few images each one, of many which classes were taken for which
print("\nwith the template 'a photo of a {}.':")
if given:
    confused = Counter((truth[path], best[0]) for path, best in zip(paths, answers["photo"], strict=True))
    mistakes = [(pair, count) for pair, count in confused.most_common() if pair[0] != pair[1]]
    for (true, answer), count in mistakes[:10]:
        print(f"  {count:4} of {true} taken for {answer}")
else:
    for path, (answer, probability) in zip(paths, answers["photo"], strict=True):
        mark = "" if answer == truth[path] else f"  wrong: {truth[path]}"
        print(f"  {path.name:18} {answer:15} {probability:4.0%}{mark}")

# %% A list that lacks half of the classes: every image gets one of its words, unless "none of these" is an answer
listed = names[::2]
classifier = wordsight.Classifier(model, listed, none=True)
ranked = classifier.rank(classifier.proba_of_embeddings(image_ND), k=1)
nones = [path for path, best in zip(paths, ranked, strict=True) if best[0][0] == "none of these"]
foreign = [path for path in paths if truth[path] not in listed]
print(f"\nwith the classes {', '.join(listed)} only:")
print(f"  {len(set(nones) & set(foreign))} of {len(foreign)} images of other classes are 'none of these'")
print(f"  {len(set(nones) - set(foreign))} of {len(paths) - len(foreign)} images of these classes are, wrongly")
