"""What our service is measured beside: each answers the same calls, by other means."""
