"""A simulated Binance on loopback: REST, archive and listing at one address, and a control address."""

from tests.exchange.runner import Exchange, ExchangeError

__all__ = ["Exchange", "ExchangeError"]
