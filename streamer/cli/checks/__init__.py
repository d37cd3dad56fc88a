# SPDX-License-Identifier: Apache-2.0
"""What `streamer doctor` looks at: small functions, each telling what it found."""
