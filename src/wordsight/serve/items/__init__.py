"""Changes that people make through the server: adding and removing images, sorting a folder, as jobs."""
