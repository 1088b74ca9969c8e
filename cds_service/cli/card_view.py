"""A CDS Hooks card in the terminal, as an EHR would show it."""

from rich.console import Console, Group
from rich.markdown import Markdown
from rich.panel import Panel
from rich.text import Text

from cds_service.fhir.shape import Json

_COLOUR = {"info": "blue", "warning": "yellow", "critical": "red"}


def show_card(console: Console, card: Json, *, detail: bool = True) -> None:
    """Prints a card: indicator and summary, the detail as rendered Markdown, the source."""
    colour = _COLOUR.get(card["indicator"], "white")
    source = Text(f"Source: {card['source']['label']}", style="dim")
    body = Group(Markdown(card["detail"]), Text(""), source) if detail else source
    title = Text(f"{card['indicator'].upper()}  {card['summary']}", style=f"bold {colour}")
    console.print(Panel(Group(title, Text(""), body) if detail else title, border_style=colour))
