"""Prompts: how far an answer depends on the wording, which prompts help, and whether they are better than noise."""
