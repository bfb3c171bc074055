"""Registers the plugin: here it is not installed, so nothing announces it."""

import simclock

import tinyloop_simclock

simclock.register(tinyloop_simclock)
