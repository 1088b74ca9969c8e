"""Every error this package raises on purpose.

    CdsServiceError
     ├── ConfigurationError     a setting cannot be used
     ├── KnowledgeError         a rule or a term table is not well formed
     ├── InputFileError         a file given on the command line cannot be read as what it should be
     └── CallError              a CDS Hooks call cannot be answered with cards
          ├── MalformedCall       the request is not what CDS Hooks defines
          ├── TooLarge            the body is over the limit
          ├── WrongContentType    the body is not JSON by its content type, or packed in a way that is not read
          ├── Unauthenticated     no token, or none that is believed
          ├── Forbidden           this caller may not have this
          ├── UnknownService      no service of that id
          ├── DataUnavailable     data that every answer needs was neither given nor to be had
          ├── NothingDecided      every rule failed
          └── StoreUnavailable    what is kept cannot be read or written now

Missing or unreadable clinical data is not an error: it is ``facts.MissingData``.
Only ``hooks`` turns these into HTTP, only ``cli`` into exit codes. No message holds patient data.
"""

from collections.abc import Sequence


class CdsServiceError(Exception):
    """The base of all errors raised by this package."""


class ConfigurationError(CdsServiceError):
    """A setting cannot be used; the message names it, its value and what was expected."""


class KnowledgeError(CdsServiceError):
    """A rule or a term table is not well formed; the message names the file and the place."""


class InputFileError(CdsServiceError):
    """A file given on the command line cannot be used; the message names file and place."""


class CallError(CdsServiceError):
    """A CDS Hooks call cannot be answered with cards.

    ``message`` is shown to the caller; ``path`` names the element of the request, where there is one.
    """

    def __init__(self, message: str, *, path: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


class MalformedCall(CallError):
    """The request is not what CDS Hooks defines for this service."""


class TooLarge(CallError):
    """The request body is larger than the service accepts."""


class WrongContentType(CallError):
    """The request body is not declared as JSON, or is packed otherwise than by gzip."""


class Unauthenticated(CallError):
    """No token, or none that a registered client could have sent for this address, now and for the first time.

    ``message`` is for the log: the caller is told nothing.
    """


class Forbidden(CallError):
    """The caller is known, or would be let in elsewhere, and may not have this."""


class UnknownService(CallError):
    """No service is offered under this id."""


class DataUnavailable(CallError):
    """Data without which nothing can be said was neither prefetched nor to be fetched."""

    def __init__(self, message: str, *, keys: tuple[str, ...]) -> None:
        super().__init__(message, path="prefetch")
        self.keys = keys


class NothingDecided(CallError):
    """Every rule failed: an empty list of cards would read as "nothing to say".

    ``failures`` says of each which rule, on which specimen, and the kind of error.
    """

    def __init__(self, failures: Sequence[object]) -> None:
        super().__init__("No rule could be run.")
        self.failures = tuple(failures)


class StoreUnavailable(CallError):
    """What is kept cannot be read or written now; the caller may try again."""

    def __init__(self) -> None:
        super().__init__("The store cannot be reached now; nothing was kept. Send this again later.")
