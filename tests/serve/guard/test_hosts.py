"""DNS rebinding: a page of another site whose name resolves to this machine."""

import pytest
from attacking import request, send_bytes

from wordsight.serve.guard.hosts import Hosts, same_host
from wordsight.serve.settings import Settings


@pytest.mark.parametrize(
    "host", ["evil.test", "evil.test:7860", "127.0.0.1.evil.test", "localhost.evil.test", "evil.test:80@127.0.0.1",
             "127.0.0.1@evil.test", "192.168.0.1", "[fe80::1]", "0.0.0.0", "", "a b", "127.0.0.1:x", "localhost:1:2",
             "127.0.0.1/../evil", "2130706433", "0x7f.0.0.1"]
)  # fmt: skip
def test_another_host_is_misdirected(open_server, host):
    answer = send_bytes(open_server, request("GET /healthz", host=host))
    assert answer.status in (400, 421)
    assert b"Traceback" not in answer.body


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:1234", "localhost", "LOCALHOST:80", "localhost.", "[::1]:7860"]
)
def test_names_of_this_machine_are_fine_with_any_port(open_server, host):
    assert send_bytes(open_server, request("GET /healthz", host=host)).status == 200


def test_a_request_needs_one_host(open_server):
    assert send_bytes(open_server, request("GET /healthz", host=None)).status == 400
    assert send_bytes(open_server, request("GET /healthz", "Host: evil.test")).status == 400
    assert send_bytes(open_server, b"GET /healthz HTTP/1.0\r\n\r\n").status == 421


def test_a_target_with_a_host_of_its_own_is_refused(open_server):
    assert send_bytes(open_server, request("GET http://evil.test/healthz")).status == 400
    assert send_bytes(open_server, request("CONNECT evil.test:443")).status in (400, 405)


def test_a_forwarded_host_changes_nothing(open_server):
    answer = send_bytes(open_server, request("GET /healthz", "X-Forwarded-Host: 127.0.0.1", host="evil.test"))
    assert answer.status == 421


def test_an_address_beyond_this_machine_answers_by_its_own_name_alone():
    hosts = Hosts(Settings(host="0.0.0.0", token="a" * 16, allowed_hosts=("photos.test", "other.test:8443")))
    assert hosts.allows("10.1.2.3:7860", "10.1.2.3")
    assert not hosts.allows("10.1.2.4:7860", "10.1.2.3")
    assert hosts.allows("photos.test", "10.1.2.3")
    assert hosts.allows("other.test:8443", "10.1.2.3")
    assert not hosts.allows("other.test:80", "10.1.2.3")
    assert not hosts.allows("evil.test", "10.1.2.3")
    named = Hosts(Settings(host="fd00::5", token="a" * 16))
    assert named.allows("[fd00::5]:7860", "fd00::5")


def test_a_port_that_is_left_out_is_the_schemes():
    assert same_host("photos.test", "photos.test:443")
    assert not same_host("photos.test", "photos.test:8080")
    assert not same_host("photos.test:1", "photos.test:2")
