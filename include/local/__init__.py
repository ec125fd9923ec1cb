"""The one-machine runtime behind `make run`, `make stop` and `make status`."""
