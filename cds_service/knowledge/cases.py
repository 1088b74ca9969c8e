"""A rule's cases: its specification, as ``cases.toml`` beside it gives it."""

from importlib.resources.abc import Traversable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from cds_service.errors import KnowledgeError
from cds_service.knowledge.terms import parse_toml, validated

SILENCE = "nothing"


class Case(BaseModel):
    """One case: what is ``given``, and the outcome that the rule ``says`` then, or "nothing".

    ``notes`` are all that stand beside it, where the case names any; of ``values`` those that it names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(min_length=1)]
    given: dict[str, Any]
    says: Annotated[str, Field(min_length=1)]
    notes: list[str] | None = None
    values: dict[str, str] = {}


class _Cases(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    case: list[Case]


def read_cases(folder: Traversable) -> tuple[Case, ...]:
    """The cases of the rule in ``folder``, in their order.

    Raises:
        KnowledgeError: they are not there or not well formed; the message names the place.
    """
    where = f"{folder.name}/cases.toml"
    file = folder.joinpath("cases.toml")
    if not file.is_file():
        raise KnowledgeError(f"{where} is not there")
    return tuple(validated(_Cases, parse_toml(file, where), where).case)
