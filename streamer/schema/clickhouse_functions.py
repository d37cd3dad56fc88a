# SPDX-License-Identifier: Apache-2.0
"""SQL functions for ClickHouse: address prefixes, names of protocols and ports.

Functions and no dictionaries: a dictionary over a table logs in as a user, whose password would
have to be in the statement. Functions belong to the server: their names begin with the program's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .clickhouse_columns import quoted
from .clickhouse_names import PORTS, PROTOCOLS, UDP_PORTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Comparing with the two ends is several times faster than isIPAddressInRange, which needs text.
_PARTS = "splitByChar('/', concat(prefix, if(position(prefix, ':') = 0, '/32', '/128')))"
_GIVEN = f"toUInt8({_PARTS}[2])"
_BITS = (
    f"toUInt8({_GIVEN} + if(position(prefix, ':') = 0, 96, 0)"
    f" + throwIf({_GIVEN} > if(position(prefix, ':') = 0, 32, 128), 'the prefix is too long'))"
)
_RANGE = f"IPv6CIDRToRange(toIPv6({_PARTS}[1]), {_BITS})"


def functions(on_cluster: str) -> str:
    """The statements that make them."""
    return f"""\
-- streamerInPrefix(source_ip, '10.0.0.0/8'), of either family; a bare address is a prefix of one.
CREATE OR REPLACE FUNCTION streamerInPrefix{on_cluster} AS (ip, prefix) ->
    ip >= tupleElement({_RANGE}, 1)
    AND ip <= tupleElement({_RANGE}, 2);

-- streamerAddress(source_ip): as text, IPv4 without its ::ffff:.
CREATE OR REPLACE FUNCTION streamerAddress{on_cluster} AS (ip) ->
    replaceRegexpOne(toString(ip), '^::ffff:', '');

-- streamerProtocolName(network_iana_number): IANA's keyword, else the number.
CREATE OR REPLACE FUNCTION streamerProtocolName{on_cluster} AS (number) ->
    transform(toString(number), {_texts(map(str, PROTOCOLS))},
        {_texts(PROTOCOLS.values())}, toString(number));

-- streamerServiceName(destination_port, network_transport): IANA's name; empty if it has none here.
CREATE OR REPLACE FUNCTION streamerServiceName{on_cluster} AS (port, transport) ->
    if(transport = 'udp' AND port IN ({", ".join(map(str, UDP_PORTS))}),
        {_names(UDP_PORTS)},
        {_names(PORTS)});
"""


def _names(ports: Mapping[int, str]) -> str:
    return f"transform(port, {[*ports]}, {_texts(ports.values())}, '')"


def _texts(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(quoted, texts))}]"
