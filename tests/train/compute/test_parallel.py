"""Several processes train as one would; what goes wrong between them is said, and none waits for ever."""

import dataclasses
import signal

import pytest
import torch
from processes_at_work import WAYS, failing, free_port, launch, losing, sharing, trained

from wordsight.errors import InputError, TrainError
from wordsight.train.compute.parallel import full_state, load_full_state, unwrap, wrap
from wordsight.train.compute.processes import Processes, start
from wordsight.train.config import ComputeConfig

ALONE = Processes(0, 1, 0, torch.device("cpu"))
TWO = Processes(0, 2, 0, torch.device("cpu"))
CPU = ComputeConfig(device="cpu")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Results of each of two processes."""
    return launch(sharing, 2, tmp_path_factory.mktemp("sharing"))[0]


@pytest.fixture(scope="module")
def alone():
    """The losses, gradient norms and state of one process after three steps, and of the fourth."""
    before = trained(CPU, ALONE, range(3))[2:]
    return before, trained(CPU, ALONE, [3], before[-1])[2:]


def farthest(ours, theirs):
    """The largest difference of two states' tensors, which have the same names."""
    assert ours.keys() == theirs.keys()
    return max(float((ours[name] - theirs[name]).abs().max()) for name in ours)


# --- one as well as two


@pytest.mark.parametrize("way", WAYS)
def test_two_processes_train_as_one(shared, alone, way):
    losses, norms, state = alone[0]
    for rank, found in enumerate(shared):
        assert found[way][0] == pytest.approx(losses, rel=1e-5)
        assert found[way][1] == pytest.approx(norms, rel=1e-4)
        assert bool(found[way][2]) == (rank == 0)  # the first one writes
    ours = shared[0][way][2]
    assert farthest(ours["network"], state["network"]) < 1e-4
    assert ours["optimizer"]["state"].keys() == state["optimizer"]["state"].keys()
    for name, moments in state["optimizer"]["state"].items():
        assert farthest(ours["optimizer"]["state"][name], moments) < 1e-4


@pytest.mark.parametrize("way", ["ddp → fsdp", "fsdp → ddp", "fsdp → fsdp"])
def test_a_state_goes_on_whatever_wraps_the_network(shared, alone, way):
    losses, norms, state = alone[1]
    for found in shared:
        assert found[way][0] == pytest.approx(losses, rel=1e-4)
        assert found[way][1] == pytest.approx(norms, rel=1e-3)
    assert farthest(shared[0][way][2]["network"], state["network"]) < 1e-3


def test_names_in_a_state_are_the_network_s_own(shared):
    names = shared[0]["fsdp"][2]["network"].keys()
    assert {"clip.logit_scale", "clip.visual.proj", "clip.transformer.resblocks.1.mlp.c_fc.weight"} <= names


def test_a_state_of_one_process_comes_back_bit_by_bit():
    network, *_, state = trained(CPU, ALONE, range(2))
    assert unwrap(network) is network  # nothing wraps it
    other, its_optimizer, *_ = trained(CPU, ALONE, [7])
    load_full_state(other, its_optimizer, state)
    back = full_state(other, its_optimizer)
    assert farthest(back["network"], state["network"]) == 0
    for name, moments in state["optimizer"]["state"].items():
        assert farthest(back["optimizer"]["state"][name], moments) == 0


def test_fsdp_gathers_part_by_part_and_holds_half(shared):
    for found in shared:
        held, whole, units = found["parts"]
        assert held == pytest.approx(whole / 2, rel=0.01)
        assert units == ["FSDPAttention", "FSDPSequential", "FSDPTwoTowers"]


def test_fsdp_in_bf16_gathers_half_the_bytes_and_keeps_float32_where_it_matters(shared):
    matrix, *others = shared[0]["bf16"]  # the residual stream, a gain, features, the weight kept, its gradient, scale
    assert matrix == torch.bfloat16
    assert others == [torch.float32] * 6


def test_what_processes_tell_each_other(shared):
    for rank, found in enumerate(shared):
        assert found["told"] == {
            "first": rank == 0,
            "gathered": [{"rank": 0}, {"rank": 1}],
            "agreed": [True, False],
            "total": [1.0, 1.0],
            "from first": "of 0",
        }


def test_alone_there_is_nobody_to_ask(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with start(CPU) as processes:
        processes.barrier()
        assert (processes.rank, processes.world, processes.is_first, processes.group) == (0, 1, True, None)
        assert processes.gather_objects("x") == ["x"]
        assert processes.from_first("x") == "x"
        assert (processes.any_true(True), processes.any_true(False)) == (True, False)
        network = torch.nn.Linear(2, 2)
        assert wrap(network, dataclasses.replace(CPU, sharding="fsdp"), processes) is network


# --- what goes wrong


def test_the_others_hear_why_a_process_fails(tmp_path):
    (told, own), _ = launch(failing, 2, tmp_path)
    assert own == "The loss of step 7 is nan."
    assert told.startswith("Process 0 of 2 lost another one, which ended or did not answer within 60 s")
    assert "It was caused by process 1: TrainError: The loss of step 7 is nan. Continue from the last" in told


def test_nobody_waits_for_ever_for_a_process_that_is_lost(tmp_path):
    ((silent, killed, seconds), nothing), codes = launch(losing, 2, tmp_path)
    assert "did not answer within 3 s (compute.timeout)" in silent
    assert "It left no message: it may have been killed, or its machine is down; torch says: " in killed
    assert seconds < 50  # at once when the connection closes, not at the timeout
    assert nothing is None
    assert codes == [0, -signal.SIGKILL]


def test_a_batch_that_cannot_be_shared_evenly():
    assert TWO.split_batch(8) == 4
    with pytest.raises(TrainError, match=r"batch of 9 .* by 2 processes\. Set batch to 8 or 10, or start another"):
        TWO.split_batch(9)
    with pytest.raises(TrainError, match=r"batch of 1 .* Set batch to 2, or"):
        TWO.split_batch(1)


@pytest.fixture
def environment(monkeypatch):
    """Set what torchrun sets, and nothing else of it."""

    def put(**values):
        for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
            monkeypatch.delenv(name, raising=False)
        for name, value in values.items():
            monkeypatch.setenv(name, str(value))

    return put


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"RANK": 0, "WORLD_SIZE": 2}, "has RANK=0, WORLD_SIZE=2 but not MASTER_ADDR and MASTER_PORT: .* torchrun"),
        ({"WORLD_SIZE": 2, "MASTER_ADDR": "a", "MASTER_PORT": 1}, "but not RANK: .* or unset RANK and WORLD_SIZE"),
        (
            {"RANK": 0, "WORLD_SIZE": "two", "MASTER_ADDR": "a", "MASTER_PORT": 1},
            "WORLD_SIZE=two .* not a number",
        ),
        ({"RANK": 2, "WORLD_SIZE": 2, "MASTER_ADDR": "a", "MASTER_PORT": 1}, "RANK=2 .* ranks go from 0 to 1"),
    ],
)
def test_an_environment_that_does_not_say_where_to_meet(environment, values, message):
    environment(**values)
    with pytest.raises(TrainError, match=message), start(CPU):
        pass


def test_processes_that_do_not_come(environment):
    port = free_port()
    environment(RANK=0, WORLD_SIZE=2, MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
    expected = f"Process 0 of 2 did not find all the others at 127.0.0.1:{port} within 1 s: .* Check that all"
    with pytest.raises(TrainError, match=expected), start(dataclasses.replace(CPU, timeout=1)):
        pass


def test_more_processes_than_gpus(environment, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    place = {"RANK": 0, "WORLD_SIZE": 4, "LOCAL_RANK": 0, "MASTER_ADDR": "a", "MASTER_PORT": 1}
    environment(**place, LOCAL_WORLD_SIZE=4)
    with pytest.raises(TrainError, match=r"4 processes .* has 2 GPUs: .* --nproc-per-node 2\), or train on the CPU"):
        start(ComputeConfig()).__enter__()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")  # a GPU for each process, as torchrun --virtual-local-rank gives it
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(TrainError, match=r"4 processes .* has 1 GPU \(CUDA_VISIBLE_DEVICES=3\): start no more"):
        start(ComputeConfig()).__enter__()
    environment(**place, LOCAL_WORLD_SIZE=2)
    with pytest.raises(InputError, match=r"compute.device is 'cuda:1' for 2 processes on this machine; with 'cuda'"):
        start(ComputeConfig(device="cuda:1")).__enter__()


@pytest.mark.parametrize(
    ("device", "message"),
    [("gpu", "compute.device is 'gpu', expected 'cpu', 'cuda' or 'mps'"), ("cuda", "torch finds no GPU here")],
)
def test_a_device_that_is_not_here(environment, monkeypatch, device, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    environment()
    with pytest.raises(InputError, match=message), start(ComputeConfig(device=device)):
        pass


def test_what_cannot_be_wrapped():
    with pytest.raises(InputError, match=r"compute\.sharding is 'zero', expected 'ddp' or 'fsdp'"):
        wrap(torch.nn.Linear(2, 2), dataclasses.replace(CPU, sharding="zero"), ALONE)
    # Refused before any process is asked for anything, so here without others.
    group = object()
    halves = dataclasses.replace(CPU, sharding="fsdp", precision="fp16")
    with pytest.raises(InputError, match=r"'fp16', which does not go with compute.sharding 'fsdp': .* bf16, or"):
        wrap(torch.nn.Linear(2, 2), halves, dataclasses.replace(TWO, group=group))
