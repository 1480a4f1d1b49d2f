"""Bring an index into agreement with its sources: plan, read, embed, write."""
