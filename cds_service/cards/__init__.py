"""Findings to CDS Hooks cards: one card a specimen, the finding that matters most first."""
