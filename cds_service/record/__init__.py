"""What is remembered, never patient data in the clear: docs/record.md has each field."""
