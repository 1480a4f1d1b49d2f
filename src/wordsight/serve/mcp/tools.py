"""The tools by name: what an agent reads about each, and what runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from wordsight.serve.mcp import arguments
from wordsight.serve.mcp.answer import Answer
from wordsight.serve.mcp.asker import Asker
from wordsight.serve.mcp.classifying import Classified, classify_images
from wordsight.serve.mcp.describing import Described, FacetsFound, describe_gallery, list_facets
from wordsight.serve.mcp.searching import Found, search_images
from wordsight.serve.mcp.showing import Shown, ShownOne, get_image, show_images


@dataclass(frozen=True)
class Tool:
    """One tool. run: takes arguments of `takes` and answers data of `gives`."""

    title: str
    description: str
    takes: type[arguments.Arguments]
    gives: type[BaseModel]
    run: Callable[[Asker, Any], Awaitable[Answer]]


TOOLS: dict[str, Tool] = {
    "search_images": Tool(
        "Search images",
        "Find images by words, by example (like, unlike: ids of earlier answers), or both; exclude words; filter by "
        "columns. Each hit has the probability that it matches: below 50% it probably does not, and the answer says "
        "so plainly when nothing is likely to match. Without text and ids: all images, by filter.",
        arguments.Search,
        Found,
        search_images,
    ),
    "show_images": Tool(
        "Show images",
        "See up to 36 images at once, numbered on one contact sheet of at most 1024 pixels, with a list of the "
        "numbers. Cheaper than get_image for choosing among search results.",
        arguments.Show,
        Shown,
        show_images,
    ),
    "get_image": Tool(
        "Get one image",
        "See one image (of a document: the page) at a size of your choice, to look at details or read text.",
        arguments.Get,
        ShownOne,
        get_image,
    ),
    "list_facets": Tool(
        "List facets",
        "Count the values of the gallery's columns (colour, type, price, date …), of all images or of those that a "
        "filter leaves: what can be filtered by in search_images.",
        arguments.Facets,
        FacetsFound,
        list_facets,
    ),
    "classify_images": Tool(
        "Classify images",
        "Sort images into classes that you name: the probability of each class, and of none of them.",
        arguments.Classify,
        Classified,
        classify_images,
    ),
    "describe_gallery": Tool(
        "Describe the gallery",
        "Galleries there are, and of one of them: number of images, columns with their kinds, the model. Start here.",
        arguments.Describe,
        Described,
        describe_gallery,
    ),
}
