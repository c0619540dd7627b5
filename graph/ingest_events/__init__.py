"""Events by HTTP, beside GraphQL: newline-delimited JSON in, one answer for each line out. See docs/ingest.md."""
