"""What a panel that is ordered under one LOINC code brings (``panels.toml``)."""

from functools import cache

from cds_service.knowledge.terms import load_toml


@cache
def _panels() -> dict[str, frozenset[str]]:
    rows = load_toml("cds_service.knowledge.terms", "panels.toml")["panel"]
    return {row["loinc"]: frozenset(row["analytes"]) for row in rows}


def analytes_of_panel(loinc: str) -> frozenset[str]:
    """The keys of the analytes that a panel brings; none for any other code."""
    return _panels().get(loinc, frozenset())
