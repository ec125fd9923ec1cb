"""The adapter between Airflow and Binance: client, hook, errors, pacing and the shared budget of request weight."""
