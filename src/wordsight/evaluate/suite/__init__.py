"""Suite: many sets × many models, each by zero-shot, a linear probe and a few shots (Radford et al. 2021, §3.1–3.2)."""
