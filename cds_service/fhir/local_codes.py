"""A site's own codes: an Observation that carries one is read as though the code that it means stood beside it."""

from collections.abc import Mapping
from typing import Any

from cds_service.errors import ConfigurationError
from cds_service.fhir.shape import Json, codings, objects
from cds_service.knowledge.terms import LOINC, groups
from cds_service.knowledge.terms.coded import ENTRY


class LocalCodes:
    """What a site's own codes mean.

    Args:
        means: by (system, code) a LOINC code of the term tables, or the key of an entry that has none.

    Raises:
        ConfigurationError: one means nothing that the term tables hold; the message names it.
    """

    def __init__(self, means: Mapping[tuple[str, str], str]) -> None:
        known = groups.group_of_code() if means else {}
        for (system, code), meant in means.items():
            if meant not in known:
                expected = "expected a LOINC code of the term tables, or the key of an entry that has none"
                raise ConfigurationError(f"SITE_PROFILE: local_code {system}|{code} means {meant!r}: {expected}")
        self.means = dict(means)

    def translated(self, resource: Json) -> Json:
        """The resource with what its own codes, and those of its components, mean beside them."""
        changed: dict[str, Any] = {}
        if meant := self._meanings(resource):
            changed["code"] = {**resource["code"], "coding": [*objects(resource["code"], "coding"), *meant]}
        if any(self._meanings(component) for component in objects(resource, "component")):
            changed["component"] = [self.translated(component) for component in objects(resource, "component")]
        return {**resource, **changed} if changed else resource

    def _meanings(self, resource: Json) -> list[Json]:
        meant = [self.means[pair] for pair in codings(resource, "code") if pair in self.means]
        return [{"system": ENTRY if m in groups.entries_without_code() else LOINC, "code": m} for m in meant]


NO_LOCAL_CODES = LocalCodes({})
