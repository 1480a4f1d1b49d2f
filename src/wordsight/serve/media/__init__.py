"""Images of a gallery as browsers show them: thumbnails, files, pages of documents."""
