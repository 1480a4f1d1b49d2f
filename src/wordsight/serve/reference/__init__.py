"""The API's own description: an OpenAPI document at /openapi.json, and a page of it at /docs."""
