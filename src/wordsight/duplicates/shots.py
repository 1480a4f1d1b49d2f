"""One shot of a camera in two files: the RAW file, and the image that the camera or a program rendered of it.

Cameras name them alike and put them side by side: DSC_0001.NEF and DSC_0001.JPG; phones add what each is:
PXL_2.RAW-01.COVER.jpg and PXL_2.RAW-02.ORIGINAL.dng; converters add to the name: DSC_0001.NEF.jpg.
"""

from __future__ import annotations

import os.path
import re

from wordsight.images.files import RAW_EXTENSIONS
from wordsight.index import Row

_PHONE = re.compile(r"\.raw-\d+\.[a-z]+$")  # Google's camera


def is_raw(path: str) -> bool:
    """Whether a file is a camera's RAW file, by its extension."""
    return os.path.splitext(path)[1].lower() in RAW_EXTENSIONS


def shot_key(path: str) -> tuple[str, str]:
    """(Folder, name of the shot in lower case): equal for the files that a camera makes of one shot."""
    folder, name = os.path.split(path)
    stem = os.path.splitext(name.lower())[0]
    if is_raw(stem):  # "dsc_0001.nef.jpg"
        stem = os.path.splitext(stem)[0]
    return folder, _PHONE.sub("", stem)


def are_raw_and_rendered(one: Row, other: Row) -> bool:
    """Whether one row is a RAW file and the other an image rendered of the same shot, by names and dates.

    Exactly one is RAW, both lie in one folder under one name (extensions aside), and no two different dates are known.
    """
    if one.page is not None or other.page is not None:
        return False
    if is_raw(one.path) == is_raw(other.path) or shot_key(one.path) != shot_key(other.path):
        return False
    return not (one.taken and other.taken) or one.taken == other.taken
