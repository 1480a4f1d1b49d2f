"""Where the project and its data are, for tests at any depth."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUPPORT = Path(__file__).parent
# real data, which no commit holds: tests skip where it is absent
DATA = Path(os.environ.get("WORDSIGHT_DATA", ROOT.parent / "shared" / "data"))
