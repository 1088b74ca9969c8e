"""What crosses the wire in CDS Hooks: the request a client sends, the cards that it gets.

Field names are the specification's. Unknown fields are tolerated (CDS Hooks 2.0, extensions); FHIR resources are
taken as plain JSON and read by ``fhir``.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

Text = Annotated[str, Field(min_length=1)]


class _Incoming(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class FhirAuthorization(_Incoming):
    """The bearer token that a client hands over for its FHIR server."""

    access_token: Annotated[str, Field(min_length=1, repr=False)]
    token_type: Literal["Bearer"]
    expires_in: int
    scope: Text
    subject: Text


class Context(_Incoming):
    """The context of ``lab-result-review`` and of ``patient-view``; the latter has no ``results``."""

    userId: Text
    patientId: Annotated[str, Field(pattern=r"^[A-Za-z0-9\-.]{1,64}$")]
    encounterId: Text | None = None
    results: dict[str, Any] | None = None


class HookRequest(_Incoming):
    """A call of a CDS service."""

    hook: Text
    hookInstance: Annotated[UUID, Field(strict=False)]
    context: Context
    fhirServer: Annotated[str, Field(pattern=r"(?i)^https?://[^\s]+$")] | None = None
    fhirAuthorization: FhirAuthorization | None = None
    prefetch: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _authorization_needs_a_server(self) -> "HookRequest":
        if self.fhirAuthorization and not self.fhirServer:
            raise ValueError("fhirAuthorization is given without fhirServer")
        return self


class _Outgoing(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Coding(_Outgoing):
    """A code with its system and what it is called."""

    system: Text
    code: Text
    display: Text


class Source(_Outgoing):
    """Where a card's guidance comes from."""

    label: Text
    url: Text
    topic: Coding


class Card(_Outgoing):
    """One card. ``detail`` is GitHub-flavoured Markdown in which every text from the chart is escaped."""

    uuid: Text
    summary: Annotated[str, Field(min_length=1, max_length=139)]
    detail: Text
    indicator: Literal["info", "warning"]
    source: Source
    extension: dict[str, Any]


class Response(_Outgoing):
    """The answer to a call."""

    cards: tuple[Card, ...]
