"""Random asyncio programs, run on the stock loop and on `SimEventLoop`, and compared."""
