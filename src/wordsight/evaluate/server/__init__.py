"""Models behind an address: embeddings of any server that speaks OpenAI's `POST /v1/embeddings`.

Texts and images are sent to the address that the user names, and nowhere else: redirects are not followed. Images are
sent as PNG without metadata (no EXIF, no GPS position), reduced where their shorter side is above 512 pixels.

A server does not say when its weights change. Each run therefore asks it for the embeddings of two generated images and
two texts, which are part of its fingerprint: kept features and results are used again only while the server answers
the same, up to rounding. A server whose answers vary by more is asked for its features again in each run.
"""
