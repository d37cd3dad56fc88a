# SPDX-License-Identifier: Apache-2.0
"""Packets from real interfaces: the BPF program loaded, attached, counted and detached."""
