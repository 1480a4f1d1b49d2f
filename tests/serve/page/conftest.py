"""A browser that all tests of the page share."""

from browsing import chromium  # noqa: F401
