"""The floor: by hand, the moments of the full refresh's last as-of date, straight from its log files."""
