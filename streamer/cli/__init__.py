# SPDX-License-Identifier: Apache-2.0
"""The commands, one file each. What a command needs is imported when it runs: --help is quick."""
