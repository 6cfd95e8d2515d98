"""Throw-away PostgreSQL servers, a proxy that knows the protocol, and the daemon under test."""
