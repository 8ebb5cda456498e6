"""What the model has to beat: a character n-gram logistic regression on the same rows, and a list of keywords."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from scripts.probe.rows import Row

Scores = NDArray[np.float64]

_KEYWORDS = re.compile(
    r"rm -[a-z]*r|\bdelete|\bdestroy|\bdrop (table|database)|\btruncate|\bpurge"
    r"|\bwipe|\bshred|mkfs|\bdd if=|reset --hard|--force\b|push -f"
    r"|/etc/(shadow|passwd|sudoers)|\.ssh/|id_rsa|authorized_keys|\.aws/"
    r"|credentials|\bnc -e|/dev/tcp|base64 -d|\| *(ba)?sh\b|crontab"
    r"|chmod (\+s|777|u\+s)|setuid|ld\.so\.preload|iptables -f|history -c"
    r"|ignore (all |your )?previous|system prompt|exfil|keylog|\brevoke",
    re.IGNORECASE,
)


def keywords(rows: Sequence[Row]) -> Scores:
    """Return how many keywords each line has, over 0.5."""
    return np.array([len(_KEYWORDS.findall(row.text)) - 0.5 for row in rows])


def regression(train: Sequence[Row]) -> Callable[[Sequence[Row]], Scores]:
    """Train the regression; return what scores rows with it."""
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=3, sublinear_tf=True, max_features=200_000)
    found = vectors.fit_transform([row.text for row in train])
    model = LogisticRegression(C=8.0, class_weight="balanced", max_iter=300)
    model.fit(found, [row.label for row in train])

    def score(rows: Sequence[Row]) -> Scores:
        margins: Scores = model.decision_function(vectors.transform([row.text for row in rows]))
        return margins

    return score
