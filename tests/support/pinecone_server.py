"""A local HTTP server that speaks Pinecone's wire format of API version 2026-07, for its real client to talk to.

It holds what the documentation says of the control plane (describe, create, list and delete an index) and of the
documents API (upsert, search, fetch, list, delete, statistics), and refuses what that says is refused: bad ids and
field names, nulls, documents without the vector, more than 40 KB of metadata, requests over 2 MB. Numbers come back as
floats. A namespace is there once it has been written to. `lag` keeps writes from the next searches, as the real service
does for up to a minute.

    with PineconeServer() as server:
        server.named_by(monkeypatch)  # PINECONE_CONTROLLER_HOST and PINECONE_API_KEY
"""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import numpy as np
from memory_index import bm25, words_of

KEY = "local-key"
VERSION = "2026-07"


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def require(true, message, status=400):
    if not true:
        raise Refused(status, message)


class PineconeServer:
    """Indexes in memory; requests are kept in `requests` as (method, path, body)."""

    def __init__(self):
        self.indexes = {}
        self.requests = []
        self.lag = 0
        self.fail_next = []  # statuses that the next data-plane requests answer with
        self.lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with server.lock:
                    status, reply, headers = server.handle(self.command, self.path, self.headers, body)
                self.send_response(status)
                content = json.dumps(reply).encode()
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.http.shutdown()
        self.http.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http.server_port}"

    def named_by(self, monkeypatch):
        monkeypatch.setenv("PINECONE_CONTROLLER_HOST", self.url)
        monkeypatch.setenv("PINECONE_API_KEY", KEY)

    def handle(self, method, path, headers, body):
        control = path.startswith("/indexes")
        try:
            require(headers.get("Api-Key") == KEY, "Invalid API Key", 401)
            require(headers.get("X-Pinecone-Api-Version") == VERSION, "unknown API version")
            require(len(body) <= 2 << 20, "request exceeds the limit of 2 MB", 413)
            asked = json.loads(body) if body else {}
            self.requests.append((method, path, asked))
            if control:
                return self.control(method, unquote(path).split("/")[2:], asked)
            if self.fail_next:
                raise Refused(self.fail_next.pop(0), "asked to fail")
            name, _, rest = path[1:].partition("/")
            require(name in self.indexes, "no such host", 404)
            reply, lsn = self.indexes[name].handle(rest, asked, self.lag)
            return 200, reply, lsn
        except Refused as error:
            if control:
                code = {401: "UNAUTHENTICATED", 404: "NOT_FOUND", 409: "ALREADY_EXISTS"}.get(error.status, "INVALID")
                return error.status, {"status": error.status, "error": {"code": code, "message": str(error)}}, {}
            return error.status, {"code": 3, "message": str(error), "details": []}, {}

    def control(self, method, parts, asked):
        if method == "GET" and not parts:
            return 200, {"indexes": [index.model(self.url) for index in self.indexes.values()]}, {}
        if method == "POST":
            name = asked["name"]
            require(name not in self.indexes, "Resource already exists", 409)
            types = {field["type"] for field in asked["schema"]["fields"].values()}
            require(types <= {"dense_vector", "sparse_vector", "string"}, "bad schema")
            self.indexes[name] = StoredIndex(name, asked["schema"], asked.get("deployment"))
            return 201, self.indexes[name].model(self.url), {}
        require(parts[0] in self.indexes, f"Resource {parts[0]} not found", 404)
        if method == "DELETE":
            del self.indexes[parts[0]]
            return 202, {}, {}
        return 200, self.indexes[parts[0]].model(self.url), {}


class StoredIndex:
    """One index: documents of each namespace as they are fetched, and as searches see them."""

    def __init__(self, name, schema, deployment):
        self.name, self.schema = name, schema
        self.deployment = deployment or {"deployment_type": "managed", "cloud": "aws", "region": "us-east-1"}
        self.stored, self.searched = {}, {}
        self.lsn = self.reconciled = self.searches_since = 0

    def model(self, url):
        fields = {}
        for name, field in self.schema["fields"].items():
            fields[name] = {"description": None, **field}
            if field["type"] == "string":
                fields[name] |= {"filterable": False}
                defaults = {"language": "en", "stemming": False, "stop_words": False}
                fields[name]["full_text_search"] = defaults | field["full_text_search"]
        return {
            "name": self.name,
            "host": f"{url}/{self.name}",
            "status": {"ready": True, "state": "Ready"},
            "schema": {"fields": fields},
            "deployment": self.deployment,
            "deletion_protection": "disabled",
            "read_capacity": {"mode": "OnDemand", "status": {"state": "Ready"}},
            "tags": None,
        }

    def handle(self, path, asked, lag):
        if path == "describe_index_stats":
            counts = {name: {"vectorCount": len(held)} for name, held in self.stored.items() if held}
            total = sum(count["vectorCount"] for count in counts.values())
            return {"namespaces": counts, "indexFullness": 0.0, "totalVectorCount": total}, {}
        match = re.fullmatch(r"namespaces/([^/]+)/documents/(\w+)", path)
        require(match, f"no such path: {path}", 404)
        namespace, verb = unquote(match[1]), match[2]
        require(namespace in self.stored or verb == "upsert", f"Namespace not found: {namespace}", 404)
        held = self.stored.setdefault(namespace, {})
        reply = getattr(self, verb)(held, asked, namespace)
        if verb in ("upsert", "delete"):
            self.lsn += 1
            self.searches_since = 0
            if not lag:
                self.catch_up()
            return reply, {"x-pinecone-lsn-committed": str(self.lsn)}
        if verb == "search":
            seen = {"x-pinecone-lsn-reconciled": str(self.reconciled)}
            self.searches_since += 1
            if self.searches_since >= lag:
                self.catch_up()
            return reply, seen
        return reply, {}

    def catch_up(self):
        self.searched = {name: dict(held) for name, held in self.stored.items()}
        self.reconciled = self.lsn

    # the documents API

    def upsert(self, held, asked, namespace):
        documents = asked["documents"]
        require(1 <= len(documents) <= 1000, "between 1 and 1000 documents")
        checked = {}
        for document in documents:
            require(re.fullmatch(r"[\x01-\x7f]{1,512}", document.get("_id", "")), "bad _id")
            checked[document["_id"]] = self.checked(document)
        require(len(checked) == len(documents), "_id twice")
        held.update(checked)
        return {"upserted_count": len(documents)}

    def checked(self, document):
        fields, kept, metadata = self.schema["fields"], {}, {}
        for name, value in document.items():
            if name == "_id":
                kept[name] = value
                continue
            require(not name.startswith(("_", "$")), f"field names do not begin with _ or $: {name}")
            type_ = fields.get(name, {}).get("type")
            if type_ == "dense_vector":
                require(len(value) == fields[name]["dimension"], f"{name} has {len(value)} dimensions")
                require(any(value), "dense vectors must contain at least one non-zero value")
                kept[name] = [float(x) for x in np.array(value, np.float32)]
            elif type_ == "string":
                require(isinstance(value, str), f"{name} is not a string")
                kept[name] = value
            else:
                strings = isinstance(value, list) and all(isinstance(each, str) for each in value)
                require(strings or isinstance(value, str | bool | int | float), f"{name} is {value!r}")
                number = isinstance(value, int | float) and not isinstance(value, bool)
                kept[name] = metadata[name] = float(value) if number else value
        for name, field in fields.items():
            require(field["type"] != "dense_vector" or name in kept, f"document lacks {name}")
        require(len(json.dumps(metadata, ensure_ascii=False).encode()) <= 40 * 1024, "metadata exceeds 40 KB")
        return kept

    def fetch(self, held, asked, namespace):
        require(("ids" in asked) != ("filter" in asked), "one of ids or filter")
        next_ = None
        if "ids" in asked:
            require(len(asked["ids"]) <= 1000, "at most 1000 ids")
            chosen = [held[id] for id in asked["ids"] if id in held]
        else:
            chosen = [held[id] for id in sorted(held) if self.chosen(asked["filter"], held[id])]
            start, limit = int(asked.get("pagination_token", 0)), asked.get("limit", 100)
            next_ = str(start + limit) if len(chosen) > start + limit else None
            chosen = chosen[start : start + limit]
        wanted = asked.get("include_fields") or ["*"]
        reply = {
            "documents": {document["_id"]: self.shown(document, wanted) for document in chosen},
            "namespace": namespace,
            "usage": {"read_units": 1},
        }
        return reply | ({"pagination": {"next": next_}} if next_ else {})

    def list(self, held, asked, namespace):
        limit, start = asked.get("limit", 100), int(asked.get("pagination_token", 0))
        require(1 <= limit <= 100, "limit between 1 and 100")
        ids = sorted(id for id in held if id.startswith(asked.get("prefix", "")))
        reply = {
            "documents": [{"_id": id} for id in ids[start : start + limit]],
            "namespace": namespace,
            "usage": {"read_units": 1},
        }
        return reply | ({"pagination": {"next": str(start + limit)}} if len(ids) > start + limit else {})

    def delete(self, held, asked, namespace):
        require(sum(name in asked for name in ("ids", "filter", "delete_all")) == 1, "one selector")
        require(len(asked.get("ids", [])) <= 1000, "at most 1000 ids")
        for id in list(held):
            if asked.get("delete_all") or id in asked.get("ids", []):
                del held[id]
        return {}

    def search(self, held, asked, namespace):
        require(1 <= asked["top_k"] <= 10_000, "top_k between 1 and 10000")
        documents = list(self.searched.get(namespace, {}).values())
        (by,) = asked["score_by"]
        if by["type"] == "dense_vector":
            query = np.array(by["values"], np.float32)
            field = self.schema["fields"][by["field"]]
            require(len(query) == field["dimension"], f"query has {len(query)} dimensions")
            vectors = np.array([document[by["field"]] for document in documents], np.float32).reshape(-1, len(query))
            scores = vectors @ query
            if field["metric"] == "cosine":
                scores /= np.linalg.norm(vectors, axis=1) * np.linalg.norm(query)
        else:
            require(by["type"] == "text", f"no scoring {by['type']!r} here")
            (field,) = by["fields"]
            require("full_text_search" in self.schema["fields"][field], "no full-text field")
            texts = [document[field] for document in documents if field in document]
            score_of = dict(zip(texts, bm25(by["query"], texts, words=words_of), strict=True))
            documents = [document for document in documents if score_of.get(document.get(field), 0) > 0]
            scores = np.array([score_of[document[field]] for document in documents])
        ranked = [(document, score) for document, score in zip(documents, scores, strict=True)
                  if self.chosen(asked.get("filter", {}), document)]  # fmt: skip
        ranked.sort(key=lambda pair: -pair[1])
        matches = [
            {**self.shown(document, asked.get("include_fields") or []), "_score": float(score)}
            for document, score in ranked[: asked["top_k"]]
        ]
        reply = {"matches": matches, "namespace": namespace, "usage": {"read_units": 1}}
        require(len(json.dumps(reply)) <= 4 << 20, "the result exceeds 4 MB")
        return reply

    @staticmethod
    def shown(document, wanted):
        return {name: value for name, value in document.items() if name == "_id" or "*" in wanted or name in wanted}

    def chosen(self, filter_, document):
        """A filter's answer for one document; a comparison with a field that is not there is false, $ne true."""
        answers = []
        for name, condition in filter_.items():
            if name in ("$and", "$or"):
                require(condition, f"{name} of nothing")
                answers.append((all if name == "$and" else any)([self.chosen(each, document) for each in condition]))
                continue
            require(name not in self.schema["fields"], f"{name} is not metadata")
            ((operator, value),) = condition.items()
            here, there = document.get(name), name in document
            number = lambda x: isinstance(x, int | float) and not isinstance(x, bool)  # noqa: E731
            same = there and type(here) is type(float(value) if number(value) else value) and here == value
            if operator in ("$gt", "$gte", "$lt", "$lte"):
                require(number(value), f"{operator} takes numbers")
                both = there and number(here)
                order = (
                    {"$gt": here.__gt__, "$gte": here.__ge__, "$lt": here.__lt__, "$lte": here.__le__} if both else {}
                )
                answers.append(both and order[operator](float(value)))
            elif operator in ("$in", "$nin"):
                require(
                    value and not any(isinstance(each, bool) for each in value), f"{operator} takes texts and numbers"
                )
                within = there and not isinstance(here, bool) and here in value
                answers.append(within is (operator == "$in"))
            else:
                require(operator in ("$eq", "$ne", "$exists"), f"no operator {operator}")
                answers.append({"$eq": same, "$ne": not same, "$exists": there is value}[operator])
        return all(answers)
