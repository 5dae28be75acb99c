"""The pseudo-box table: its form, reading it, and writing it part by part."""
