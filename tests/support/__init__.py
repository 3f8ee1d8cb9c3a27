"""Makers, hosts and instances that the tests share."""
