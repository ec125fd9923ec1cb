"""What is older than its timeframe is kept for: to Parquet, and out of the database."""
