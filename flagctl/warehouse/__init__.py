"""Events and flags as tables: Ibis expressions on DuckDB or Spark."""
