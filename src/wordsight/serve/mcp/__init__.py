"""Tools for agents by the Model Context Protocol: search, look at, and classify images; nothing is ever changed."""
