"""From a request to rows: scope, lanes, one transaction a window."""
