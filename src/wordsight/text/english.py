"""English as the text search knows it: stems, irregular plurals, two spellings of a word, words that carry nothing."""

from __future__ import annotations

import functools
from typing import Any

# plurals that no stemmer undoes, and the American spelling of words that shops write either way
_FORMS = """men:man mens:man women:woman womens:woman children:child childrens:child people:person feet:foot teeth:tooth
    mice:mouse geese:goose oxen:ox knives:knife wives:wife leaves:leaf shelves:shelf scarves:scarf loaves:loaf
    wolves:wolf calves:calf halves:half hooves:hoof thieves:thief matrices:matrix vertices:vertex indices:index
    appendices:appendix colour:color colours:color coloured:color grey:gray greys:gray jewellery:jewelry
    aluminium:aluminum tyre:tire tyres:tire fibre:fiber centre:center centres:center metre:meter metres:meter
    pyjamas:pajama pajamas:pajama moustache:mustache doughnut:donut doughnuts:donut"""
_STOP_WORDS = """a about am an and are as at be been being but by did do does doing each for from had has have having he
    her hers him his how i if in into is it its me mine my of off on onto or our ours out over she so some such than
    that the their them then there these they this those through to too very was we were what when where which while
    who whom whose why will with would you your yours"""
_AUXILIARIES = "can could may might must shall should need want show find get"
_ASKING = "how i me we what when where which who why you"
_IMAGE_WORDS = "photo photos photograph photographs picture pictures image images pic pics"

ONE_FORM = dict(pair.split(":") for pair in _FORMS.split())
# left out of queries that say something else too; "no" and "us" stay: No. 5, US sizes
STOP_WORDS = frozenset(_STOP_WORDS.split())
# nouns too ("a can of paint"): left out only beside a word that asks
AUXILIARIES = frozenset(_AUXILIARIES.split())
ASKING = frozenset(_ASKING.split())
# what is asked for, not what is in it: "a photo of a dog"
IMAGE_WORDS = frozenset(_IMAGE_WORDS.split())


@functools.lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """Stem of a word in lower case without accents; words of other letters stay as they are.

    Source: Porter, "The English (Porter2) stemming algorithm", snowballstem.org, 2002.
    """
    word = ONE_FORM.get(word, word)
    if len(word) > 2 and word.isascii() and word.isalpha():
        word = _stemmer().stemWord(word)
    return word


@functools.cache
def _stemmer() -> Any:
    from snowballstemmer.english_stemmer import EnglishStemmer  # 10 ms, which only a search by words needs

    return EnglishStemmer()
