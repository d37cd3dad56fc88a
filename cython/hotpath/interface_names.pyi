# SPDX-License-Identifier: Apache-2.0
def name_text(name: str | bytes) -> bytes:
    """The name between the quotes of a JSON string."""

class InterfaceNames:
    """Names by index; for the encoder, from C."""
