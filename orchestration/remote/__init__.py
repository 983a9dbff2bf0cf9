"""What lies on other machines: object stores, PostgreSQL, and DuckDB's extensions for them."""
