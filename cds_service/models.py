"""What crosses the wire in CDS Hooks: the request a client sends, the cards that it gets, feedback on them.

Field names are the specification's. Unknown fields are tolerated (CDS Hooks 2.0, extensions); FHIR resources are
taken as plain JSON and read by ``fhir``.
"""

import contextlib
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

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
    """The context of any hook that is served: ``results`` of ``lab-result-review``, ``draftOrders`` of both hooks on
    orders, ``selections`` of ``order-select``. Which of them a hook requires is checked where they are read.
    """

    userId: Text
    patientId: Annotated[str, Field(pattern=r"^[A-Za-z0-9\-.]{1,64}$")]
    encounterId: Text | None = None
    results: dict[str, Any] | None = None
    selections: Annotated[tuple[str, ...] | None, Field(strict=False)] = None
    draftOrders: dict[str, Any] | None = None


class HookRequest(_Incoming):
    """A call of a CDS service."""

    hook: Text
    hookInstance: Annotated[UUID, Field(strict=False)]
    context: Context
    fhirServer: Annotated[str, Field(pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s]+$")] | None = None
    fhirAuthorization: FhirAuthorization | None = None
    prefetch: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _authorization_needs_a_server(self) -> "HookRequest":
        if self.fhirAuthorization and not self.fhirServer:
            raise ValueError("fhirAuthorization is given without fhirServer")
        return self


_MOST_FEEDBACK = 1000
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.IGNORECASE | re.ASCII)


def _moment(value: object) -> datetime:
    """A timestamp of RFC 3339 in UTC.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        with contextlib.suppress(ValueError, OverflowError):
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
    raise ValueError("expected a date and time with its zone, such as 2026-03-03T09:00:00Z")


class AcceptedSuggestion(_Incoming):
    """A suggestion that a user took."""

    id: Text


class ReasonCode(_Incoming):
    """The coded reason that a user chose for overriding a card; what it is called is not read."""

    code: Text
    system: Text | None = None


class OverrideReason(_Incoming):
    """Why a user overrode a card; the comment is free text."""

    reason: ReasonCode | None = None
    userComment: Annotated[str | None, Field(repr=False)] = None


class Feedback(_Incoming):
    """What a user did with one card."""

    card: Annotated[UUID, Field(strict=False)]
    outcome: Literal["accepted", "overridden"]
    acceptedSuggestions: tuple[AcceptedSuggestion, ...] | None = Field(default=None, strict=False, max_length=100)
    overrideReason: OverrideReason | None = None
    outcomeTimestamp: Annotated[datetime, BeforeValidator(_moment)]

    @model_validator(mode="after")
    def _accepting_names_suggestions(self) -> "Feedback":
        if self.outcome == "accepted" and not self.acceptedSuggestions:
            raise ValueError("outcome is accepted, and acceptedSuggestions names none")
        return self


class FeedbackRequest(_Incoming):
    """A call of a service's feedback endpoint."""

    feedback: Annotated[tuple[Feedback, ...], Field(strict=False, min_length=1, max_length=_MOST_FEEDBACK)]


class _Outgoing(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServiceDescription(_Outgoing):
    """A service as discovery tells of it. ``prefetch`` has the queries by key; the versions are semver."""

    id: Text
    hook: Text
    title: Text
    description: Text
    usageRequirements: Text
    prefetch: dict[str, Text]
    version: Text
    hookVersion: Text


class Discovery(_Outgoing):
    """The answer to discovery."""

    services: tuple[ServiceDescription, ...]


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


class Action(_Outgoing):
    """One resource to be made when a suggestion is accepted."""

    type: Literal["create"] = "create"
    description: Text
    resource: dict[str, Any]


class Suggestion(_Outgoing):
    """Something that the user may accept with one click."""

    label: Text
    uuid: Text
    actions: tuple[Action, ...]


class Card(_Outgoing):
    """One card. ``detail`` is GitHub-flavoured Markdown in which every text from the chart is escaped."""

    uuid: Text
    summary: Annotated[str, Field(min_length=1, max_length=139)]
    detail: Text
    indicator: Literal["info", "warning"]
    source: Source
    suggestions: tuple[Suggestion, ...] | None = None
    selectionBehavior: Literal["any"] | None = None
    overrideReasons: tuple[Coding, ...] | None = None
    extension: dict[str, Any]


class Response(_Outgoing):
    """The answer to a call."""

    cards: tuple[Card, ...]
