# SPDX-License-Identifier: Apache-2.0
"""What streamer tells about itself: the ledger, metrics, health and logs."""
