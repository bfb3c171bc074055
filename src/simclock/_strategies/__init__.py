"""Policies that answer choice points, one in each module; they see ids and labels only."""
