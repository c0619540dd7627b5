"""Exports: ``run`` works on one, ``columns`` says what it holds, ``lines`` and ``parquet`` how it is written, ``parts`` into which files."""
