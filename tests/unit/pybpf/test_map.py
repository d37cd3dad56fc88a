# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pybpf

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("bpf_privileges")]


def test_get_set_delete() -> None:
    with pybpf.Map.create("hash", key_size=4, value_size=3, max_entries=8, name="t") as table:
        assert (table.name, table.type, table.max_entries) == ("t", "hash", 8)
        assert not table.per_cpu
        assert table.get(b"aaaa") is None
        table.set(b"aaaa", b"one")
        table.set(bytearray(b"bbbb"), memoryview(b"two"))
        assert table.get(memoryview(b"aaaa")) == b"one"
        table.set(b"aaaa", b"eno")
        assert sorted(table) == [b"aaaa", b"bbbb"]
        assert dict(table.items()) == {b"aaaa": b"eno", b"bbbb": b"two"}
        assert table.delete(b"aaaa")
        assert not table.delete(b"aaaa")
        assert list(table) == [b"bbbb"]


def test_modes() -> None:
    with pybpf.Map.create("hash", key_size=4, value_size=1, max_entries=8) as table:
        with pytest.raises(pybpf.PybpfError) as caught:
            table.set(b"aaaa", b"1", mode="replace")
        assert caught.value.errno == errno.ENOENT
        table.set(b"aaaa", b"1", mode="create")
        with pytest.raises(pybpf.PybpfError) as caught:
            table.set(b"aaaa", b"2", mode="create")
        assert caught.value.errno == errno.EEXIST
        table.set(b"aaaa", b"3", mode="replace")
        assert table.get(b"aaaa") == b"3"
        with pytest.raises(ValueError, match="mode"):
            table.set(b"aaaa", b"3", mode="other")  # type: ignore[arg-type]


def test_wrong_sizes() -> None:
    with pybpf.Map.create("hash", key_size=4, value_size=8, max_entries=8) as table:
        for key in (b"", b"123", b"12345"):
            for call in (table.get, table.delete):
                with pytest.raises(pybpf.SizeError, match="4 bytes"):
                    call(key)
            with pytest.raises(pybpf.SizeError, match="4 bytes"):
                table.set(key, bytes(8))
        for value in (b"", bytes(7), bytes(9), bytes(16)):
            with pytest.raises(pybpf.SizeError, match="8 bytes"):
                table.set(b"1234", value)
        with pytest.raises(TypeError):
            table.get("text")  # type: ignore[call-overload]
        assert list(table) == []


def test_per_cpu_values() -> None:
    cpus = pybpf.possible_cpus()
    # Three bytes: the kernel's slots are wider than the value.
    with pybpf.Map.create("percpu_hash", key_size=2, value_size=3, max_entries=2) as table:
        assert table.per_cpu
        values = [bytes([cpu, cpu + 1, cpu + 2]) for cpu in range(cpus)]
        table.set(b"aa", values)
        assert table.get(b"aa", per_cpu=True) == values
        assert list(table.items(per_cpu=True)) == [(b"aa", values)]
        assert table.get(b"bb", per_cpu=True) is None
        with pytest.raises(pybpf.MapTypeError, match="per_cpu=True"):
            table.get(b"aa")
        with pytest.raises(pybpf.SizeError, match="per possible CPU"):
            table.set(b"aa", values + values)
        with pytest.raises(pybpf.SizeError, match="3 bytes"):
            table.set(b"aa", [b"12"] * cpus)


def test_one_value_is_not_a_value_per_cpu() -> None:
    with (
        pybpf.Map.create("array", key_size=4, value_size=4, max_entries=1) as table,
        pytest.raises(pybpf.MapTypeError, match="one value for all"),
    ):
        table.get(bytes(4), per_cpu=True)


def test_an_array_walks_its_indexes() -> None:
    with pybpf.Map.create("array", key_size=4, value_size=4, max_entries=3) as table:
        assert [struct.unpack("=I", key)[0] for key in table] == [0, 1, 2]
        with pytest.raises(pybpf.PybpfError):
            table.delete(bytes(4))


def test_a_walk_over_a_table_that_is_emptied_meanwhile_ends() -> None:
    with pybpf.Map.create("hash", key_size=4, value_size=1, max_entries=64) as table:
        for number in range(64):
            table.set(struct.pack("=I", number), b"x")
        for key in table:
            table.delete(key)
        assert list(table) == []


def test_a_ring_has_no_keys() -> None:
    with pybpf.Map.create("ringbuf", key_size=0, value_size=0, max_entries=4096) as ring:
        for call in (lambda: ring.get(b""), lambda: ring.delete(b""), lambda: list(ring)):
            with pytest.raises(pybpf.MapTypeError, match="no keys"):
                call()


def test_a_table_is_no_ring() -> None:
    with (
        pybpf.Map.create("hash", key_size=4, value_size=4, max_entries=4) as table,
        pytest.raises(pybpf.MapTypeError, match="no ringbuf"),
    ):
        pybpf.RingBuffer(table)


def test_maps_of_impossible_kinds() -> None:
    with pytest.raises(pybpf.MapTypeError, match="no_such"):
        pybpf.Map.create("no_such", key_size=4, value_size=4, max_entries=4)
    with pytest.raises(pybpf.PybpfError) as caught:
        pybpf.Map.create("array", key_size=3, value_size=4, max_entries=4)
    assert caught.value.errno == errno.EINVAL


def test_a_map_of_its_own_is_closed_once_and_warns_if_never() -> None:
    table = pybpf.Map.create("hash", key_size=4, value_size=4, max_entries=4)
    with pytest.raises(pybpf.StateError, match="fixed"):
        table.set_max_entries(5)
    table.close()
    table.close()
    with pytest.raises(pybpf.ObjectClosed):
        table.get(bytes(4))
    with pytest.raises(pybpf.ObjectClosed):
        table.__enter__()
    forgotten = pybpf.Map.create("hash", key_size=4, value_size=4, max_entries=4, name="lost")
    with pytest.warns(ResourceWarning, match="lost"):
        del forgotten


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["set", "delete", "get"]),
            st.binary(min_size=2, max_size=2),
            st.binary(min_size=5, max_size=5),
        ),
        max_size=60,
    )
)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_hash_behaves_like_a_dict(steps: list[tuple[str, bytes, bytes]]) -> None:
    model: dict[bytes, bytes] = {}
    with pybpf.Map.create("hash", key_size=2, value_size=5, max_entries=100) as table:
        for action, key, value in steps:
            if action == "set":
                table.set(key, value)
                model[key] = value
            elif action == "delete":
                assert table.delete(key) == (model.pop(key, None) is not None)
            else:
                assert table.get(key) == model.get(key)
        assert dict(table.items()) == model
