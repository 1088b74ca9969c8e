"""How much our service costs beside a bare Flask echo: ``python -m bench``. See docs/performance.md."""
