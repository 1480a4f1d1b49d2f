"""Rows of an index that answer a query with a class of a linear head, by the head's own probability."""

from __future__ import annotations

import numpy as np

from wordsight.search.finder import Finder, Found
from wordsight.search.relevance import LIKELY
from wordsight.zeroshot.logistic import sigmoid

# rows judged by the head: those nearest to the direction of its class and the other parts
CANDIDATES = 1000


class HeadFinder(Finder):
    """Rows near the query, put in order by the head's probability; other parts add their log-odds to the head's."""

    def find(self, n: int) -> Found:
        """At least n rows, where there are so many."""
        asked = max(n, CANDIDATES)
        rows = [match.row for match in self._nearest(asked)]
        if not rows:
            return Found([], self.query_D[:0], self.query_D[:0], lambda: (0, False))
        vectors_KD = np.stack([row.vector for row in rows])
        logit_K = self._mixed_logits(vectors_KD)
        proba_K = np.asarray(sigmoid(logit_K), np.float32)
        order = sorted(range(len(rows)), key=lambda at: (-logit_K[at], rows[at].id))
        number = int((proba_K >= LIKELY).sum())
        more = len(rows) == asked < len(self.index) and bool(proba_K[-1] >= LIKELY)
        cosine_K = np.asarray(vectors_KD @ self.query_D, np.float32)
        return Found([rows[at] for at in order], cosine_K[order], proba_K[order], lambda: (number, more))
