"""Results for people: contact sheets, cards in notebooks, images in terminals, embedding files, sorted folders."""
