"""What people and their tools look at beside CDS Hooks."""
