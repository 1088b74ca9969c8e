"""Telling by its name alone that a result is beta-2 microglobulin: only to say that it was not read."""

import re
import unicodedata
from functools import cache, lru_cache

from cds_service.knowledge.terms import LONGEST_KEPT, MOST_KEPT, load_toml

#: The key of the analyte under which such a result is named.
UNCODED = "b2m-uncoded"

_PACKAGE = "cds_service.knowledge.terms"
#: Every name holds one of these; looked for first, since most texts hold none.
_WORTH_A_LOOK = re.compile("mi[ck]ro|[bβß].{0,6}[mµμ]", re.IGNORECASE)
_BETA = str.maketrans(
    {"ß": " beta ", "β": " beta ", "ϐ": " beta ", "ẞ": " beta ", "Β": " beta ", "µ": " micro ", "μ": " micro "}
)
_SHORTEST_STEM = 5


@cache
def _names() -> dict[str, tuple[str, ...]]:
    return {name: tuple(words) for name, words in load_toml(_PACKAGE, "names.toml").items()}


def is_b2m(said: str, unless: str = "") -> bool:
    """Whether a text names beta-2 microglobulin.

    ``unless``: the name of what the text is known to be; where a word of it stands there too, B2M is only mentioned.
    """
    return bool(said) and len(said) <= LONGEST_KEPT and _is_b2m(said, unless)


@lru_cache(maxsize=MOST_KEPT)
def _is_b2m(said: str, unless: str) -> bool:
    if not _WORTH_A_LOOK.search(said):
        return False
    words = _words(said)
    if any(word in _names()["unless"] for word in words) or _shares_a_stem(words, unless):
        return False
    together = "".join(words)
    runs = {"".join(words[first:last]) for first in range(len(words)) for last in range(first + 1, first + 4)}
    return any(name in together for name in _names()["names"]) or any(name in runs for name in _names()["short"])


def _words(said: str) -> list[str]:
    """The words of a text without accents, signs and case; k is read as c."""
    plain = unicodedata.normalize("NFKD", said.translate(_BETA)).casefold()
    letters = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return re.findall(r"[a-z0-9]+", letters.replace("k", "c"))


def _shares_a_stem(words: list[str], name: str) -> bool:
    stems = {word[:_SHORTEST_STEM] for word in _words(name) if len(word) >= _SHORTEST_STEM}
    return any(word[:_SHORTEST_STEM] in stems.difference(_names()["common"]) for word in words)
