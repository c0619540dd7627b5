"""Mailings: what becomes of a template and a lead until a mail server has the message."""
