"""Beta-2 microglobulin decision support over HL7 CDS Hooks.

``create_app`` is loaded on first use, so that ``cds_service.knowledge`` can be imported without Flask.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cds_service.app import create_app

__version__ = "0.1.0"
__all__ = ["__version__", "create_app"]


def __getattr__(name: str) -> object:
    if name == "create_app":
        from cds_service.app import create_app

        return create_app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
