"""The adapter between Airflow and Binance: hook, errors, pacing and the shared budget of request weight."""
