"""A gallery of a server that a test may change."""


class ChangingGallery:
    """client: of the server. name: of the gallery. index: its folder."""

    def __init__(self, client, name, index):
        self.client, self.name, self.index = client, name, index

    def send(self, *files, **fields):
        """Answer to an upload of (name, content) pairs."""
        return self.client.post(
            "/v1/items", files=[("files", one) for one in files], data={"gallery": self.name, **fields}
        )

    def post(self, given):
        """Answer to items given as JSON."""
        return self.client.post("/v1/items", json=given)

    def search(self, **asked):
        """Answer of a search."""
        answer = self.client.post("/v1/search", json={"limit": 200, "gallery": self.name, **asked})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def remove(self, *ids, **asked):
        """Answer to a removal."""
        return self.client.request("DELETE", "/v1/items", json={"gallery": self.name, "ids": ids, **asked})

    def uploads(self):
        """Files that the server keeps for the gallery."""
        folder = self.index.with_name(f"{self.index.name}-uploads")
        return sorted(folder.iterdir()) if folder.is_dir() else []
