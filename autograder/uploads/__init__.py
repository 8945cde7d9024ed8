"""What students uploaded to a learning platform: read it, match it with students, lay it in submitted/."""
