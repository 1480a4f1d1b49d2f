"""A server with a token, attacked by those who do not have it."""

import http.cookies
import time

import pytest
from attacking import request, send_bytes
from serving import run_server

from wordsight.serve.guard.paths import safe_next
from wordsight.serve.guard.sessions import LASTS, Attempts, Sessions

TOKEN = "correct-horse-battery"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def origin(closed_server):
    return {"Origin": str(closed_server.base_url).rstrip("/")}


def sign_in(closed_server, origin, **fields):
    return closed_server.post("/login", data={"token": TOKEN, **fields}, headers=origin)


def cookie_of(answer):
    return http.cookies.SimpleCookie(answer.headers["set-cookie"])


@pytest.fixture(autouse=True)
def without_cookies(closed_server):
    yield
    closed_server.cookies.clear()


@pytest.mark.parametrize(
    "path", ["/", "/v1/models", "/v1/embeddings", "/docs", "/openapi.json", "/metrics", "/thumb/abc", "/file/abc",
             "/static/page.js", "/mcp", "/gradio_api/info", "/nothing", "/healthz/", "/healthz/../v1/models",
             "/login/../v1/models", "/healthz;x", "/LOGIN", "/try/fail"]
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "DELETE"])
def test_nothing_is_answered_without_the_token(closed_server, method, path):
    answer = send_bytes(closed_server, request(f"{method} {path}", "Connection: close"))
    assert answer.status in (400, 401)
    if answer.status == 401:
        assert answer.headers["www-authenticate"] == 'Bearer realm="wordsight"'


def test_health_is_for_all(closed_server):
    assert closed_server.get("/healthz").status_code == 200


def test_a_wrong_proof_is_no_proof():
    wrong = ["", "Bearer", "Bearer ", "Bearer wrong", "Bearer \xff\xfe", TOKEN, f"Basic {TOKEN}", f"Token {TOKEN}"]
    wrong += [f"Bearer {near}" for near in (f"{TOKEN}x", TOKEN[:-1], TOKEN.upper(), f"{TOKEN},{TOKEN}")]
    with run_server(wait=False, token=TOKEN) as client:
        for given in wrong:
            answer = send_bytes(client, request("GET /v1/models", f"Authorization: {given}"))
            assert answer.status in (400, 401), given
            assert TOKEN.encode() not in answer.whole
        assert client.get("/openapi.json", headers={"authorization": f"bearer {TOKEN}"}).status_code == 200


def test_two_proofs_are_refused(closed_server):
    twice = request("GET /v1/models", f"Authorization: Bearer {TOKEN}", "Authorization: Bearer wrong")
    assert send_bytes(closed_server, twice).status == 400


@pytest.mark.parametrize("where", [f"?token={TOKEN}", f"?access_token={TOKEN}", f"?authorization=Bearer+{TOKEN}"])
def test_a_token_in_a_url_is_not_accepted(closed_server, where):
    assert closed_server.get(f"/openapi.json{where}").status_code == 401


def test_a_person_is_sent_to_the_form_and_back(closed_server, origin):
    sent = closed_server.get("/docs?q=a%20b", headers=HTML)
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=%2Fdocs%3Fq%3Da%2520b")
    form = closed_server.get(sent.headers["location"])
    assert 'name="next" value="/docs?q=a%20b"' in form.text
    assert '<label for="token">' in form.text
    assert form.headers["referrer-policy"] == "same-origin"  # or browsers would send the form with "Origin: null"
    back = sign_in(closed_server, origin, next="/docs?q=a%20b")
    assert (back.status_code, back.headers["location"]) == (303, "/docs?q=a%20b")
    assert closed_server.get("/openapi.json").status_code == 200  # by the cookie


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(closed_server, origin):
    answer = sign_in(closed_server, origin)
    ((name, cookie),) = cookie_of(answer).items()
    assert name.startswith("wordsight-")
    assert cookie["httponly"]
    assert cookie["samesite"] == "strict"
    assert cookie["path"] == "/"
    assert not cookie["secure"]
    assert not cookie["domain"]
    assert TOKEN not in answer.headers["set-cookie"]
    behind_tls = closed_server.post("/login", data={"token": TOKEN}, headers={**origin, "X-Forwarded-Proto": "https"})
    assert cookie_of(behind_tls)[name]["secure"]


def test_json_signs_in_too(closed_server):
    answer = closed_server.post("/login", json={"token": TOKEN})
    assert answer.json() == {"status": "ok"}
    assert "set-cookie" in answer.headers


def test_a_change_by_cookie_must_come_from_the_page(closed_server, origin):
    sign_in(closed_server, origin)
    assert closed_server.post("/try/echo", headers=origin).status_code == 200
    assert closed_server.post("/try/echo").status_code == 403
    assert closed_server.post("/try/echo", headers={"Origin": "https://evil.test"}).status_code == 403


def test_signing_out_ends_the_session_even_for_a_copied_cookie(closed_server, origin):
    ((name, cookie),) = cookie_of(sign_in(closed_server, origin)).items()
    out = closed_server.post("/logout", headers=origin)
    assert out.headers["location"] == "/login"
    closed_server.cookies.clear()
    stolen = {"Cookie": f"{name}={cookie.value}"}
    assert closed_server.get("/openapi.json", headers=stolen).status_code == 401
    assert closed_server.get("/logout").status_code == 405  # a link cannot sign anyone out


def test_a_forged_cookie_is_not_accepted(closed_server, origin):
    ((name, cookie),) = cookie_of(sign_in(closed_server, origin)).items()
    closed_server.cookies.clear()
    end, number, signature = cookie.value.split(".")
    later = f"{int(end) + 1}.{number}.{signature}"
    for forged in (later, f"{end}.{number}.{'0' * 64}", f"{end}.{number}", "", "a.b.c", f"{end}.{number}.{signature}.",
                   cookie.value.upper(), TOKEN):  # fmt: skip
        assert closed_server.get("/openapi.json", headers={"Cookie": f"{name}={forged}"}).status_code == 401, forged


def test_sessions_expire_and_end_with_the_token():
    sessions = Sessions(TOKEN)
    cookie = sessions.open()
    assert sessions.is_open(cookie)
    assert Sessions(TOKEN).is_open(cookie)  # another process, or after a restart
    assert not sessions.is_open(cookie, now=time.time() + LASTS + 1)
    assert not Sessions(TOKEN + "2").is_open(cookie)


@pytest.mark.parametrize(
    "there", ["https://evil.test", "//evil.test", "/\\evil.test", "\\\\evil.test", "/%5cevil.test/..", "///evil.test",
              "/a\r\nSet-Cookie: b=c", "/a\x00", "http:evil.test", "/login", "/logout", "", "evil.test",
              "/..//evil.test", "https:/evil.test", " //evil.test", "/\t/evil.test", "//evil.test/%2f..",
              "////evil.test", "javascript:alert(1)", "/" + "a" * 3000]
)  # fmt: skip
def test_nobody_is_sent_to_another_site(closed_server, origin, there):
    assert safe_next(there) == "/"
    answer = sign_in(closed_server, origin, next=there)
    assert answer.headers["location"] == "/"
    assert "evil" not in str(answer.headers)


def test_the_form_shows_what_it_was_given_as_text(closed_server, origin):
    form = closed_server.get("/login", params={"next": '/"><script>alert(1)</script>'})
    assert "<script>" not in form.text
    policy = form.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("kind", "body"),
    [("application/json", b"{"), ("application/json", b"[" * 10_000), ("application/json", b"[]"),
     ("application/json", b'{"token": 5}'), ("application/x-www-form-urlencoded", b"\xff\xfe"),
     ("text/plain", b"token"), ("application/x-www-form-urlencoded", b"a=b&" * 4000),
     ("multipart/form-data; boundary=x", b"--x")]
)  # fmt: skip
def test_a_damaged_attempt_is_a_failed_attempt(kind, body):
    with run_server(wait=False, token=TOKEN) as client:
        answer = client.post("/login", content=body, headers={"Content-Type": kind})
        assert answer.status_code == 401
        assert "Traceback" not in answer.text


def test_guessing_is_slowed_down_by_every_way():
    with run_server(wait=False, token=TOKEN) as client:
        statuses = [client.post("/login", json={"token": f"guess {i}"}).status_code for i in range(25)]
        assert statuses[:20] == [401] * 20
        assert statuses[20:] == [429] * 5
        slowed = client.post("/login", json={"token": TOKEN})
        assert slowed.status_code == 429
        assert 1 <= int(slowed.headers["retry-after"]) <= 30
        assert client.get("/openapi.json", headers={"Authorization": "Bearer guess"}).status_code == 429


def test_an_attempt_comes_back_after_a_while_and_networks_are_apart():
    attempts = Attempts(burst=2, rate=50)
    for _ in range(2):
        attempts.count("2001:db8::1")
    assert attempts.wait("2001:db8::ffff") > 0  # the same /64
    assert attempts.wait("2001:db8:0:1::1") == 0
    time.sleep(0.05)
    assert attempts.wait("2001:db8::1") == 0
    few = Attempts(clients=10)
    for i in range(100):
        few.count(f"10.0.0.{i}")
    assert len(few._failed) == 10
