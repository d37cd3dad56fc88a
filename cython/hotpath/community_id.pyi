# SPDX-License-Identifier: Apache-2.0
def community_id(
    source_ip: bytes,
    destination_ip: bytes,
    protocol: int,
    source_port: int | None,
    destination_port: int | None,
    seed: int = 0,
) -> str:
    """The Community ID of packed addresses; type and code of ICMP go in place of the ports."""
