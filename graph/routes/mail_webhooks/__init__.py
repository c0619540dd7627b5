"""What mail providers say of mails, by HTTP: each event recorded once. See docs/mail-providers.md."""
