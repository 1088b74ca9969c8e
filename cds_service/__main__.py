"""``python -m cds_service`` is the console script ``cds-service``."""

from cds_service.cli.main import cli

if __name__ == "__main__":
    cli(prog_name="cds-service")
