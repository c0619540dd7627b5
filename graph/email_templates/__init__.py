"""Templates of e-mails, and what they look like to somebody."""
