"""``cds-service``: the commands, and the only place that turns errors into exit codes.

Exit codes: 0 done; 1 something was wrong with what was asked (the message says what); 2 the command line itself.
"""

import sys
from typing import Any

import click

from cds_service import __version__
from cds_service.cli.check import check
from cds_service.cli.demo import demo
from cds_service.cli.explain import explain_command
from cds_service.cli.feedback import feedback
from cds_service.cli.population import population
from cds_service.cli.registration import registration
from cds_service.cli.replay import replay
from cds_service.cli.rules import rules
from cds_service.cli.serve import serve
from cds_service.cli.store import store
from cds_service.cli.token import token
from cds_service.errors import CdsServiceError


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CdsServiceError as error:
            click.echo(f"cds-service: {error}", err=True)
            sys.exit(1)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cds-service")
def cli() -> None:
    """CDS Hooks decision support for beta-2 microglobulin results. Not a medical device."""


cli.add_command(serve)
cli.add_command(demo)
cli.add_command(replay)
cli.add_command(population)
cli.add_command(explain_command)
cli.add_command(rules)
cli.add_command(check)
cli.add_command(feedback)
cli.add_command(store)
cli.add_command(token)
cli.add_command(registration)
