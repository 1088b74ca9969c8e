"""Recorded inputs to calls: fixtures, Bundles, and dates moved so that old data reads as new."""
