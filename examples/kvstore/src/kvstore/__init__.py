"""A small replicated key-value store: a leader, a majority, a journal on each disk."""

from kvstore.client import Client
from kvstore.node import Care, Node

__all__ = ["Care", "Client", "Node"]
