"""What became of mails: recorded, and read."""
