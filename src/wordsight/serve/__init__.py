"""Serving galleries and models over HTTP: a page for people, an API for programs, tools for agents.

`settings` says how a server is set up, `service` holds what a request needs (galleries, engines), `app` joins the
routes of `api`, `media`, `page` and `mcp` behind the checks of `guard`.
"""
