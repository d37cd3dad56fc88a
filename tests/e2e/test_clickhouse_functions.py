# SPDX-License-Identifier: Apache-2.0
"""The SQL functions, and the statements for a cluster as far as one server can judge them."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

import pytest

from streamer.clickhouse.client import ServerError
from streamer.schema import TOPICS
from streamer.schema.clickhouse import Layout, render, statements
from streamer.schema.clickhouse_functions import functions

if TYPE_CHECKING:
    from streamer.demo.clickhouse import ClickHouse

PREFIXES = (
    *("10.0.0.0/8", "10.1.2.3/32", "10.1.2.3", "0.0.0.0/0", "192.0.2.128/25", "255.255.255.255/1"),
    *("2001:db8::/32", "2001:db8::1", "::/0", "fe80::/10", "::ffff:10.0.0.0/104"),
)
ADDRESSES = (
    *("10.1.2.3", "10.255.255.255", "11.0.0.0", "192.0.2.127", "192.0.2.128", "0.0.0.0"),  # noqa: S104
    *("2001:db8::1", "2001:db9::", "::", "fe80::1", "febf::1", "fec0::1", "255.255.255.255"),
)


@pytest.fixture
async def server(clickhouse: ClickHouse) -> ClickHouse:
    for statement in statements(functions("")):
        await clickhouse.query(statement)
    return clickhouse


def contains(prefix: str, address: str) -> bool:
    """Python's own opinion; IPv4 is a part of IPv6 as in the table."""
    network, ip = ip_network(prefix, strict=False), ip_address(address)
    if network.version == 4:
        network = ip_network(f"::ffff:{network.network_address}/{network.prefixlen + 96}")
    if ip.version == 4:
        ip = ip_address(f"::ffff:{ip}")
    return ip in network


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_prefixes(server: ClickHouse, prefix: str) -> None:
    rows = await server.query(
        f"SELECT arrayJoin({[*ADDRESSES]}) AS address,"
        " streamerInPrefix(toIPv6(address), {prefix:String}) AS inside",
        {"prefix": prefix},
    )
    found = {row["address"]: bool(row["inside"]) for row in rows}
    assert found == {address: contains(prefix, address) for address in ADDRESSES}


@pytest.mark.parametrize("prefix", ["abc", "", "10.0.0.0/33", "10.0.0.0/x", "::/129", "10.0.0/8"])
async def test_what_is_no_prefix_is_refused(server: ClickHouse, prefix: str) -> None:
    with pytest.raises(ServerError, match="Code"):
        await server.query(
            "SELECT streamerInPrefix(toIPv6('10.1.2.3'), {prefix:String})", {"prefix": prefix}
        )


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("streamerAddress(toIPv6('10.1.2.3'))", "10.1.2.3"),
        ("streamerAddress(toIPv6('2001:db8::ffff:1'))", "2001:db8::ffff:1"),
        ("streamerProtocolName('6')", "tcp"),
        ("streamerProtocolName(17)", "udp"),
        ("streamerProtocolName('0')", "hopopt"),
        ("streamerProtocolName('58')", "ipv6-icmp"),
        ("streamerProtocolName('132')", "sctp"),
        ("streamerProtocolName('139')", "hip"),
        ("streamerProtocolName('253')", "253"),
        ("streamerProtocolName('')", ""),
        ("streamerServiceName(443, 'tcp')", "https"),
        ("streamerServiceName(443, 'udp')", "https"),
        ("streamerServiceName(514, 'tcp')", "shell"),
        ("streamerServiceName(514, 'udp')", "syslog"),
        ("streamerServiceName(0, 'tcp')", ""),
        ("streamerServiceName(65535, 'udp')", ""),
    ],
)
async def test_names(server: ClickHouse, call: str, name: str) -> None:
    assert await server.query(f"SELECT {call} AS name") == [{"name": name}]


@pytest.mark.parametrize("topic", TOPICS)
async def test_a_clusters_statements_parse(clickhouse: ClickHouse, topic: str) -> None:
    """There is no cluster here: ClickHouse's parser takes them, more is not known."""
    for statement in statements(render(TOPICS[topic], Layout(clustered=True))):
        await clickhouse.query("SELECT formatQuery({text:String})", {"text": statement})
