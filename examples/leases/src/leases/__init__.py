"""A lock service with leases, workers that hold them, and a storage that they share."""

from leases.care import Care
from leases.locks import LockServer
from leases.storage import Storage
from leases.worker import Worker

__all__ = ["Care", "LockServer", "Storage", "Worker"]
