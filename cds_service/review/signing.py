"""The entry of site.toml by which a site signs off a rule as it stands."""

from cds_service.knowledge.model import Rule


def entry(rule: Rule) -> str:
    """The entry for the rule as it stands here, to be completed by whoever has reviewed it."""
    return f"""[[review]]
id = "{rule.id}"
version = "{rule.version}"
hash = "{rule.hash_here}"
by = ""    # who has reviewed it
role = ""  # in which role, such as "haematologist"
on =       # when, such as 2026-01-31
note = ""
"""
