"""A site's own clinical sign-off of a rule. It is the site's word, never the project's: that stands in rule.toml."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class SignOff:
    """Who at the site has signed off which version of a rule, in which role, and when.

    ``hash`` is that of the rule as it was read, with the numbers that the site had set (``Rule.hash_here``).
    """

    version: str
    hash: str
    by: str
    role: str
    on: date
    note: str = ""

    def is_of(self, version: str, digest: str) -> bool:
        """Whether it is of this version, and of nothing that has changed since."""
        return (self.version, self.hash) == (version, digest)
