"""Storage: the engine, work tables, column types, migrations."""
