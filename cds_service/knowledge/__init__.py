"""What beta-2 microglobulin can tell, as clinicians own it: terms, equations and rules. Pure: no I/O beyond its own
package data, no FHIR, no clock."""
