"""FHIR on the wire: bundles to resources, resources to facts, printed quantities to canonical units."""
