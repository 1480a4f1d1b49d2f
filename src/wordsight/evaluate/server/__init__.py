"""Models behind an address: embeddings of any server that speaks OpenAI's `POST /v1/embeddings`.

Texts and images are sent to the address that the user names, and nowhere else: redirects are not followed. Images are
sent as PNG without metadata (no EXIF, no GPS position), reduced where their shorter side is above 512 pixels.
"""
