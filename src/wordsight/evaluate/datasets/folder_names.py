"""Names of classes whose folders are called by numbers: of WordNet, as in ImageNet, or of labels."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence

from wordsight.errors import InputError
from wordsight.evaluate.datasets.class_lists import CLASSNAMES, read_class_list_beside
from wordsight.evaluate.datasets.classes import check_label, check_numerals, shorten
from wordsight.evaluate.datasets.request import DatasetWarning

_WORDNET = re.compile(r"n\d{8}")
# folders of imagenette and imagewoof as fast.ai packs them (github.com/fastai/imagenette)
_KNOWN = {
    "n01440764": "tench", "n02102040": "English springer", "n02979186": "cassette player", "n03000684": "chain saw",
    "n03028079": "church", "n03394916": "French horn", "n03417042": "garbage truck", "n03425413": "gas pump",
    "n03445777": "golf ball", "n03888257": "parachute",
    "n02086240": "Shih-Tzu", "n02087394": "Rhodesian ridgeback", "n02088364": "beagle", "n02089973": "English foxhound",
    "n02093754": "Border terrier", "n02096294": "Australian terrier", "n02099601": "golden retriever",
    "n02105641": "Old English sheepdog", "n02111889": "Samoyed", "n02115641": "dingo",
}  # fmt: skip
_DIGITS = frozenset("0123456789")


def name_folders(folders: Sequence[str], beside: str, source: str) -> dict[str, str]:
    """Name of the class of each folder: its own, but for numbers that of classnames.txt in the folder `beside`.

    The list has a name in each line, by number, or lines "n01440764 tench" that begin with the folder.
    Raises: InputError for a list that names no class of a folder. Warns: DatasetWarning of numbers without names.
    """
    listed = read_class_list_beside(beside)
    if listed is not None:
        return _look_up(folders, listed, os.path.join(beside, CLASSNAMES))
    if all(name in _KNOWN for name in folders):
        return {name: _KNOWN[name] for name in folders}
    nameless = [name for name in folders if name.isdigit() or _WORDNET.fullmatch(name)]
    if nameless and set(folders) != _DIGITS:
        warnings.warn(
            f"Folders of {source!r} are called by numbers that no model knows ({shorten(nameless)}); rename them, or "
            f"write {CLASSNAMES} beside them with lines such as '{nameless[0]} cat'.",
            DatasetWarning,
            stacklevel=5,
        )
    return {name: name for name in folders}


def _look_up(folders: Sequence[str], listed: Sequence[str], path: str) -> dict[str, str]:
    by_folder = {folder: rest.strip() for folder, _, rest in (line.partition(" ") for line in listed) if rest.strip()}
    if all(name in by_folder for name in folders):
        return {name: by_folder[name] for name in folders}
    if all(name.isdecimal() for name in folders):
        check_numerals(listed, repr(path))
        return {name: listed[check_label(int(name), listed, f"the folders beside {path!r}")] for name in folders}
    names = {name.replace("_", " ") for name in listed}
    missing = [name for name in folders if name.replace("_", " ") not in names]
    if missing:
        raise InputError(
            f"The class list {path!r} does not name the folder {missing[0]!r}; write lines that begin with the folder, "
            f"such as '{missing[0]} cat', or remove the list."
        )
    return {name: name for name in folders}
