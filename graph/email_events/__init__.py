"""What became of e-mails: events, as they are recorded and read."""
