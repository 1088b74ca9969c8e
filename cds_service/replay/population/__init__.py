"""Whole exports through the rules: read in pieces, joined by patient, decided patient by patient, written as tables."""
