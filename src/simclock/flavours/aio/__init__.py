"""asyncio: an event loop whose time is virtual, exact to the nanosecond."""
