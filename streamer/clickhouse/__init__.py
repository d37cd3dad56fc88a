# SPDX-License-Identifier: Apache-2.0
"""ClickHouse as a server to talk to: its HTTP interface, and the tables' versions in it."""
