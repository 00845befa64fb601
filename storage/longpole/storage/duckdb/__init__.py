"""The embedded engine: journal, hot Arrow batches, sealed DuckDB segments, a SQLite manifest."""
