"""Words that `house.py` looks for, each with what a native engineer would write. Literal data.

They are matched against texts in which each run of white space, with the sign of a comment that begins a line, is one
space; case does not matter. A list holds only what has hardly another meaning in the places where it is looked for.
"""

from __future__ import annotations

_FINE_AFTER_NO = (
    r"(longer|more|less|better|worse|lower|higher|larger|smaller|slower|faster|doubt|one|reason|evidence)\b"
)

# phrase (a regular expression) → better; looked for in code, comments, messages and docs
EVERYWHERE = {
    # general rules
    rf"(?<!there )\bis no (?!{_FINE_AFTER_NO})\w+": "is not a …",
    r"\bgo(es)? on\b|\bgone on from\b": "continue, resume",
    r"\banew\b": "again, from scratch",
    r"\bdata sets?\b": "dataset",
    r"\bof which this holds\b": "that satisfy the condition",
    # single phrases
    r"\bbit by bit\b": "bit-identical",
    r"\bknows? nothing\b(?! (of|about)\b)": "chance level, a random-guess baseline",
    r"\bchance weights\b|\bwhich are chance\b": "randomly initialised",
    r"\bchance \(Python|\bchance of Python\b": "random state, RNG",
    r"\b(the )?dice\b|\bare thrown\b": "rng_states, random draws",
    r"\ba stranger's\b": "untrusted",
    r"\b(learnt|learned) by heart\b": "memorised (overfitting)",
    r"\bnumbers that (are no more|are none)\b|\bthat are no numbers\b": "non-finite",
    r"\btold rightly\b": "classified correctly",
    rf"\bthat are no (?!{_FINE_AFTER_NO})\w+": "that are not …",
    r"\bcall(s|ing)? out\b": "makes no network calls",
    r"\bcase is not minded\b": "case-insensitive",
    r"\bdying of it\b": "terminating",
    r"\bcall_of_the_roll\b|\baddresses of the dead\b": "agree on a prefix, stale addresses",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\bis at work in\b": "is already using",
    r"\bsee to the disk\b": "check the disk",
    r"\bright to write goes back\b": "the write lock is released",
    r"\blet(s|ting)? go of\b": "close, release",
    r"\bcomes? to be\b": "is created",
    r"\bshall not look like\b": "text to exclude (negative query)",
    r"\bto be \(?un\)?like\b": "query image, negative example image",
    r"\bprobably is no answer\b": "results below the relevance cut-off",
    r"\byour own by default\b": "default: your personal index",
    r"\bby (their )?looks\b|\bwords and looks\b|\blooks (alone|say|decide|count)\b": "visual similarity",
    r"\bthe part before it counts\b": "weight of the preceding query term",
    r"\blies or shall lie\b|\buser's own place\b": "index location (default: …)",
    r"\bfollow a source no longer\b": "stop tracking a source and remove its images",
    r"\b(is|are) brought up to date\b": "is updated",
    r"\bcontinues there\b": "rerun to continue",
    r"\bread otherwise than the last time\b": "now uses different options",
    r"\bstands alone\b|\bin a call of (their|its) own\b": "cannot be combined with; run separately",
    r"\bno matter of a disk\b": "unless the drive is just unmounted",
    r"\bdo not look at\b": "ignore",
    r"\bwhat copies are like\b|\bwhich cosines copies have\b": "similarity of copies",
    r"\bas a recipe says\b": "from a recipe",
    r"\bwhere the run lies\b|\bindex lies where\b": "output directory; is stored in",
    r"\bis not called good\b": "fails the forgetting check",
    r"\bwhat came out\b": "results",
    r"\blonger than the model reads\b": "truncated captions",
    r"\bhow words and pictures are weighed\b": "text/image fusion weight",
    r"\bhybrid less the better side\b": "gain of hybrid over the best single mode",
    r"\bhardly ever matters\b": "rarely changes results",
    r"\btells the way back\b": "records how to undo",
    r"\ba table with a heading\b": "CSV with a header row",
    r"\bsay what it costs\b|\bwhat it costs and (what it )?gains\b": "accuracy loss and speed-up",
    r"\bvectors in full\b": "vectors as float32",
    r"\bsays? its own facts\b|\brefuse_needless\b": "already has its configuration",
    r"\bwhich says nothing\b": "is empty",
    r"\bno words that are wanted\b": "no positive text",
    r"\bspeaks\(row\)|\bdef _?speaks\b": "has_caption",
    r"\bno way of fusing\b": "unknown fusion method",
    r"\bits own troubles\b": "store errors",
    r"\bdo alike\b": "share",
    r"\b(take|takes|taking) off the mean\b": "subtract the mean",
    r"\bno word in common\b": "0 when no term matches",
    r"\bcontinued and not believed\b": "detected and resumed",
    r"\bcounted in spreads\b": "in standard deviations",
    r"\bdoubts\b": "consistency checks",
    r"\bput the bar higher\b": "raise the threshold",
    r"\bbefore the same ground\b": "on the same background",
    r"\bwants? (said|to hear)\b": "extra messages",
    r"\bas people know it\b": "human-readable",
    r"\basked as a finished model is\b": "exposes the Model interface",
    r"\bothers went before\b": "the rate at `step`",
    r"\bpassed over\b": "skipped",
    r"\ba reason of ours\b": "internal: carries a user-facing reason",
    r"\bwhat a user may say\b": "options",
    r"\bthat is warned of\b": "a warning reports",
    r"\bnot told apart\b": "not treated as negatives of each other",
    r"\bsay that nothing is known\b": "are too wide",
    r"\bno package index yet\b": "not on PyPI yet",
    r"\bfrom nothing\b": "from scratch",
    r"\bon a processor\b": "on a CPU",
    r"\bTextCutWarning\b": "TextTruncatedWarning",
}

# in the package alone: a person's pictures may stay in tutorials
IN_SOURCE = {
    r"\bpictures?\b": "image",
    r"\bpicture(?=_)|(?<=_)pictures?\b": "image (in names)",
    r"\baddress(es)?\b": "URL",
    r"\bfile endings?\b|\b(its|their|the|an|whose|other|by|known) endings?\b": "extension",
    r"\bdef \w+_of\(": "a verb, not x_of",
}

# the first words of docstrings, in all code
FIRST_WORDS = {
    r"What\b": "lead with the noun",
    r"(Return|Yield)s? (what|whether|how)\b": "lead with the noun",
}

# file → words that are data there, not prose: names of old versions, stored keys, words of users
DATA = {
    "CHANGELOG.md": r"TextCutWarning",
    "src/wordsight/duplicates/threshold.py": r"pictures",  # key of older notes
    "src/wordsight/evaluate/held_out/config.py": r"pictures",  # key of older recipes
    "src/wordsight/ingest/tables.py": r"picture",  # name of a column
    "src/wordsight/text/english.py": r"pictures?",  # in queries
}
