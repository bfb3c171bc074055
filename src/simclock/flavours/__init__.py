"""What simclock gives to one way of running code each: event loops of its own."""
