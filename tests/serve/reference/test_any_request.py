"""Whatever the OpenAPI document allows, and what it does not, is answered without a failure of the server."""

import hypothesis
import pytest
import schemathesis
from schemathesis.generation import GenerationMode

_QUIET = hypothesis.settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    suppress_health_check=list(hypothesis.HealthCheck),
)


@pytest.fixture(scope="module")
def operations(client):
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    return [result.ok() for result in schema.get_all_operations()]


@pytest.mark.parametrize("examples", [4, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "invalid"])
def test_no_request_makes_the_server_fail(client, operations, mode, examples):
    for operation in operations:

        @hypothesis.settings(_QUIET, max_examples=examples)
        @hypothesis.given(operation.as_strategy(generation_mode=mode))
        def ask(case):
            answer = case.call(base_url=str(client.base_url), timeout=60)
            assert answer.status_code < 500, case.as_curl_command()
            if answer.status_code >= 400 and "json" in answer.headers.get("content-type", [""])[0]:
                assert answer.json()["error"].keys() == {"message", "type", "param", "code"}

        try:
            ask()
        except hypothesis.errors.Unsatisfiable:  # of an operation that takes nothing, there is nothing invalid
            assert mode is GenerationMode.NEGATIVE
    assert client.get("/healthz").status_code == 200
