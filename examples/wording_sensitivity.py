"""Sensitivity to wording: the same images and classes, called by other words.

Command: `python examples/wording_sensitivity.py` on six views of each bundled image; or on a folder with one
    subfolder for each class, `python examples/wording_sensitivity.py FOLDER`, with wordings made of the folders' names.
Time: 4 s on two CPU cores.
Result: Everyday names are right on five views of six, synonyms on two of three, generic terms ("animal", "vehicle") on
    58 %, German on 7 %, which is chance: the model reads English. Templates change a few points, words tens; three
    wordings of each class together are right on 92 %. "Not a cat" is answered like "a cat", since negation is not
    understood. Twelve images are few: on yours, other wordings may win.
"""

# %% The images: the whole, four corners and the middle of each, so that there is something to count
import sys
from pathlib import Path

import numpy as np

import wordsight

BOXES = ((0, 0, 1, 1), (0, 0, 0.7, 0.7), (0.3, 0, 1, 0.7), (0, 0.3, 0.7, 1), (0.3, 0.3, 1, 1), (0.15, 0.15, 0.85, 0.85))
EVERYDAY = (
    "astronaut", "bicycle", "bricks", "cat", "coffee", "galaxies",
    "grass", "photographer", "retina", "rocket", "sailing boat", "strawberry",
)  # fmt: skip


def make_views(path: Path) -> list:
    """Views of an image: the parts of it that BOXES name, in shares of its sides."""
    image = wordsight.read_image(path)
    size = np.array([image.width, image.height] * 2)
    return [image.crop(tuple(int(edge) for edge in size * box)) for box in BOXES]


def read_folder(folder: Path) -> dict[Path, str]:
    """Paths of the images in the subfolders, each with its class."""
    classes = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    if not classes:
        raise SystemExit(f"{folder} has no subfolders; expected one for each class, with images in it.")
    paths = {path: one.name.replace("_", " ") for one in classes for path in sorted(one.iterdir())}
    return {path: name for path, name in paths.items() if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp")}


model = wordsight.load("mini")
given = [word for word in sys.argv[1:] if not word.startswith("-")]
if given:
    labelled = read_folder(Path(given[0]))
    names, truth = list(dict.fromkeys(labelled.values())), np.array(list(labelled.values()))
    image_ND = model.embed_images(labelled)
else:
    names, truth = list(EVERYDAY), np.repeat(EVERYDAY, len(BOXES))
    image_ND = model.embed_images([view for path in wordsight.sample_images() for view in make_views(path)])

# %% The wordings, in the order of the names
wordings = {
    "as it is": names,
    "capitals": [name.upper() for name in names],
    "adorned": [f"wonderful {name}, my favourite of all" for name in names],
    "negated": [f"not a {name}" for name in names],
}
if not given:
    wordings |= {
        "synonyms": ["astronaut", "bike", "brick wall", "kitten", "cappuccino", "night sky", "meadow", "cameraman",
                     "eyeball", "rocket launch", "sailboat", "berry"],
        "precise": ["woman in an orange space suit", "touring bicycle", "brick wall", "tabby cat",
                    "cup of coffee with milk foam", "Hubble deep field", "lawn", "man with a camera on a tripod",
                    "fundus photograph", "Falcon 9 launch", "sailboat", "ripe strawberry"],
        "described": ["a smiling woman in front of a flag", "a thing with two wheels and pedals",
                      "a wall of red blocks", "a furry pet with whiskers", "a hot drink in a cup", "stars far away",
                      "a green lawn", "a man looking through a camera", "the back of an eye",
                      "flames and smoke at a launch pad", "a boat with a white sail", "a red fruit with seeds"],
        "generic": ["person", "vehicle", "wall", "animal", "drink", "sky", "plant", "man", "organ", "spacecraft",
                    "ship", "fruit"],
        "German": ["Astronautin", "Fahrrad", "Ziegel", "Katze", "Kaffee", "Galaxien", "Gras", "Fotograf", "Netzhaut",
                   "Rakete", "Segelboot", "Erdbeere"],
    }  # fmt: skip


def measure(words: dict[str, list[str]], templates: str) -> tuple[np.ndarray, float]:
    """Answers (N,), and the mean probability of the right class, for each class's wordings in the templates."""
    classifier = wordsight.Classifier(model, words, templates=templates)
    proba_NK = classifier.proba_of_embeddings(image_ND)
    column_N = np.array([names.index(name) for name in truth])
    return np.array(names)[proba_NK.argmax(axis=1)], float(proba_NK[np.arange(len(truth)), column_N].mean())


# %% Accuracy for each wording and template
print(f"{len(truth)} images, {len(names)} classes\n")
print(f"{'wording':10} {'plain':>6} {'photo':>6} {'80':>6}   probability of the right class (photo)")
usual, _ = measure({name: [name] for name in names}, "photo")
for kind, words in wordings.items():
    columns = {name: [word] for name, word in zip(names, words, strict=True)}
    found = {templates: measure(columns, templates) for templates in ("plain", "photo", "imagenet-80")}
    shares = " ".join(f"{(answers == truth).mean():6.0%}" for answers, _ in found.values())
    print(f"{kind:10} {shares}   {found['photo'][1]:.2f}")

# %% Several wordings of each class, averaged, lean on no single one
if not given:
    kinds = ("as it is", "precise", "described")
    columns = {name: [wordings[kind][k] for kind in kinds] for k, name in enumerate(names)}
    together, probability = measure(columns, "photo")
    print(f"{'three':10} {'':6} {(together == truth).mean():6.0%} {'':6}   {probability:.2f}   ({', '.join(kinds)})")

# %% Which answers turn with the words
if not given:
    described, _ = measure({name: [word] for name, word in zip(names, wordings["described"], strict=True)}, "photo")
    print("\nright by name, wrong by description (where most views are):")
    for name in names:
        turned = described[(truth == name) & (usual == name) & (described != name)]
        if len(turned) > len(BOXES) / 2:
            print(f"  {len(turned)} of {len(BOXES)} views of {name}: {', '.join(sorted(set(turned)))}")

# %% What negation does
negated, _ = measure({name: [f"not a {name}"] for name in names}, "photo")
print(f'\nwith "not a" before each name, {(negated == usual).mean():.0%} of the images are answered as without it')
