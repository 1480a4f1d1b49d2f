"""A condition, as `filters` reads it, written as Qdrant's and as Pinecone's filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wordsight.errors import InputError
from wordsight.index.filters.parse import Alike, Always, Compared, Condition, Every, NoneOf, OneOf, Present, Some
from wordsight.index.payload_fields import TAKEN_SECONDS, Scalar, parse_seconds


def to_qdrant(condition: Condition, key: Callable[[str], str], columns: Mapping[str, str]) -> dict[str, Any]:
    """Condition as Qdrant's filter in its JSON form (`models.Filter.model_validate` reads it).

    key: column → the payload's key. Raises: InputError for an order of texts, which Qdrant does not know.
    """

    def one(leaf: OneOf | NoneOf) -> list[dict[str, Any]]:
        whole = all(type(value) is int for value in leaf.values)
        type_ = columns[leaf.column]
        if type_ == "number" or (type_ == "integer" and not whole):  # some were kept as 3, some as 3.0
            return [{"key": key(leaf.column), "range": {"gte": value, "lte": value}} for value in leaf.values]
        if type_ == "boolean" or len(leaf.values) == 1:
            return [{"key": key(leaf.column), "match": {"value": value}} for value in leaf.values]
        return [{"key": key(leaf.column), "match": {"any": list(leaf.values)}}]

    def written(node: Condition) -> dict[str, Any]:
        match node:
            case Every(parts):
                return {"must": [written(part) for part in parts]}
            case Some(parts):
                return {"should": [written(part) for part in parts]}
            case Present(column, negated):
                return {"must" if negated else "must_not": [{"is_empty": {"key": key(column)}}]}
            case OneOf():
                return {"should": one(node)}
            case NoneOf(column):
                return {"must_not": [*one(node), {"is_empty": {"key": key(column)}}]}
            case Compared():
                ordered = _by_number(node, columns, "Qdrant")
                limits = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
                return {"must": [{"key": key(ordered.column), "range": {limits[ordered.order]: ordered.value}}]}
            case Alike(column, text, anywhere, negated):
                like = {"key": key(column), "match": {"substring" if anywhere else "prefix": text}}
                if negated:
                    return {"must_not": [like, {"is_empty": {"key": key(column)}}]}
                return {"must": [like]}
            case Always(value):
                assert value, "a condition that is never true is not sent"
                return {"must": []}

    return written(condition)


def to_pinecone(condition: Condition, key: Callable[[str], str], columns: Mapping[str, str]) -> dict[str, Any]:
    """Condition as Pinecone's filter.

    key: column → the document's field. Raises: InputError for LIKE and for an order of texts, which Pinecone does not
    know.
    """

    def written(node: Condition) -> dict[str, Any]:
        match node:
            case Every(parts):
                return {"$and": [written(part) for part in parts]}
            case Some(parts):
                return {"$or": [written(part) for part in parts]}
            case Present(column, negated):
                return {key(column): {"$exists": not negated}}
            case OneOf(column, values):
                return {key(column): _one_or_many(values, "$eq", "$in")}
            case NoneOf(column, values):
                unlike = _one_or_many(values, "$ne", "$nin")
                return {"$and": [{key(column): {"$exists": True}}, {key(column): unlike}]}
            case Compared():
                ordered = _by_number(node, columns, "Pinecone")
                orders = {"<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}
                return {key(ordered.column): {orders[ordered.order]: ordered.value}}
            case Alike(column):
                raise InputError(
                    f"Pinecone cannot filter by a part of a text ({column!r} LIKE …). Use =, in, or is null; words of "
                    "the texts are found by searching for them."
                )
            case Always(value):
                assert value, "a condition that is never true is not sent"
                return {}

    return written(condition)


def _one_or_many(values: Sequence[Scalar], one: str, many: str) -> dict[str, Any]:
    """Comparison with values: the operator `one` for a single value, `many` for a list of them."""
    if len(values) == 1:
        return {one: values[0]}
    return {many: list(values)}


def _by_number(node: Compared, columns: Mapping[str, str], store: str) -> Compared:
    """A comparison of numbers: that of `taken` becomes one of seconds."""
    if columns[node.column] != "text":
        return node
    seconds = parse_seconds(str(node.value))
    if node.column != "taken" or seconds is None:
        tip = "use =, in, or is null"
        if node.column == "taken":
            tip = "compare taken with a date: '2023-06-01'"
        raise InputError(f"{store} knows no order of texts ({node.column} {node.order} {node.value!r}): {tip}.")
    order = node.order
    if len(str(node.value)) < len("2023-06-01T00:00:00"):  # "2023-06" stands before every moment of that month
        order = {"<=": "<", ">": ">="}.get(order, order)
    return Compared(TAKEN_SECONDS, order, seconds)
