# SPDX-License-Identifier: Apache-2.0
from hotpath.buffer_pool import PooledBuffer

class SealedBatch(PooledBuffer):
    """Some hundred or thousand events of one partition, ready to be sent or written.

    Its bytes are writable through the buffer protocol, so that they can be stamped. The memory is
    a pump's: release() gives it back, and a pump whose memory is used up goes on.
    """

    @property
    def partition(self) -> int: ...
    @property
    def events(self) -> int:
        """How many there are in the batch."""

    @property
    def first_sequence(self) -> int:
        """The smallest event.sequence in the batch."""

    @property
    def raw_bytes(self) -> int:
        """Bytes of the records before compression."""
