"""The Coverage page of Airflow's UI: what is stored, what is missing and why.

The answers are in include.klines.coverage.
"""
