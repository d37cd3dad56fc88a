# SPDX-License-Identifier: Apache-2.0
"""The demonstration: real servers and real traffic on one machine."""
