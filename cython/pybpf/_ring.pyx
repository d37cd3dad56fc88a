# SPDX-License-Identifier: Apache-2.0
# cython: auto_pickle=False
"""The BPF ring buffer, mapped by ourselves and read in leased runs.

Memory order. The other side is kernel/bpf/ringbuf.c, and each access here pairs with one there:

* The producer position is loaded with acquire: __bpf_ringbuf_reserve() writes a record's header
  (length with the busy bit) and then publishes the position with smp_store_release(). Who sees
  the position sees the header, never what the bytes held a lap ago.
* A header's length word is loaded with acquire: bpf_ringbuf_commit() clears the busy bit with
  xchg(), a full barrier, after the program has written the record. Who sees the bit cleared sees
  the record.
* The consumer position is stored with release: __bpf_ringbuf_reserve() loads it with
  smp_load_acquire() before it lets anybody write over the space. All our reads of the records
  come before the store, so nothing we still read is overwritten. One store per run is enough,
  and keeps the line from bouncing between the CPUs for each record.

The kernel maps the consumer page writable and the rest read-only: nothing written here can
corrupt a record. The data pages are mapped twice in a row, so a record that wraps around the
end of the ring is contiguous in memory.
"""
cimport cython
from cpython.buffer cimport PyBUF_FORMAT, PyBUF_ND, PyBUF_STRIDES, PyBUF_WRITABLE
from cpython.memoryview cimport PyMemoryView_FromObject
from libc.errno cimport EINTR, errno
from libc.limits cimport INT_MAX
from libc.math cimport ceil
from libc.stdint cimport uint32_t
from posix.mman cimport MAP_FAILED, MAP_SHARED, PROT_READ, PROT_WRITE, mmap, munmap
from posix.unistd cimport _SC_PAGESIZE, close, sysconf

from pybpf cimport _libbpf as lib
from pybpf._core cimport fail
from pybpf._map cimport Map

import warnings

from pybpf.errors import LeaseError, MapTypeError, ObjectClosed, SizeError

cdef extern from "<fcntl.h>" nogil:
    enum:
        F_DUPFD_CLOEXEC
    int fcntl(int fd, int command, ...)

cdef extern from "<poll.h>" nogil:
    enum:
        POLLIN
    cdef struct pollfd:
        int fd
        short events
        short revents
    int poll(pollfd *descriptors, unsigned long count, int timeout_ms)

cdef extern from *:
    """
    /* Named for what they pair with in the kernel: smp_load_acquire, smp_store_release. */
    static inline unsigned long load_acquire(const unsigned long *address)
    {
        return __atomic_load_n(address, __ATOMIC_ACQUIRE);
    }

    static inline uint32_t load_acquire_32(const uint32_t *address)
    {
        return __atomic_load_n(address, __ATOMIC_ACQUIRE);
    }

    static inline void store_release(unsigned long *address, unsigned long value)
    {
        __atomic_store_n(address, value, __ATOMIC_RELEASE);
    }
    """
    unsigned long load_acquire(const unsigned long *address) nogil
    uint32_t load_acquire_32(const uint32_t *address) nogil
    void store_release(unsigned long *address, unsigned long value) nogil


cdef char *UNSIGNED_BYTE = b"B"


cdef class RingBuffer:
    """The reader of a ring buffer map.

    It keeps a descriptor and mappings of its own and stays usable after the object is closed.
    One consumer at a time; fill_bytes, capacity and fileno() may be asked from any thread.
    Closing while a lease has not ended is refused.
    """

    def __cinit__(self, *args):
        self.descriptor = -1

    def __init__(self, Map ring_map not None):
        cdef int fd = ring_map.descriptor()
        if self.consumer != NULL:
            raise TypeError("a RingBuffer is initialised once")
        if ring_map._type != lib.BPF_MAP_TYPE_RINGBUF:
            raise MapTypeError(f"map {ring_map._name} is a {ring_map.type}, no ringbuf")
        self.open(fd, ring_map.max_entries, ring_map._name)

    @classmethod
    def from_descriptor(cls, int fd, size_t capacity, *, str name="ring"):
        """The reader of a ring buffer map that another process made and handed over.

        `fd` stays the caller's. Anything laid out like a ring buffer of `capacity` bytes will do.
        """
        cdef RingBuffer self = cls.__new__(cls)
        self.open(fd, capacity, name)
        return self

    cdef int open(self, int fd, size_t capacity, str name) except -1:
        cdef void *memory
        self.name = name
        self.capacity = capacity
        self.mask = capacity - 1
        self.page_bytes = sysconf(_SC_PAGESIZE)
        if capacity == 0 or capacity & self.mask or capacity % self.page_bytes:
            raise SizeError(f"a ring buffer has a power of two of pages, not {capacity} bytes")
        self.descriptor = fcntl(fd, F_DUPFD_CLOEXEC, 0)
        if self.descriptor < 0:
            fail(-errno, f"duplicating the descriptor of {self.name}")
        memory = mmap(NULL, self.page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                      self.descriptor, 0)
        if memory == MAP_FAILED:
            self.give_up("mapping the consumer page")
        self.consumer = <unsigned long *>memory
        memory = mmap(NULL, self.page_bytes + 2 * self.capacity, PROT_READ, MAP_SHARED,
                      self.descriptor, self.page_bytes)
        if memory == MAP_FAILED:
            self.give_up("mapping the data pages")
        self.producer = <const unsigned long *>memory
        self.records = <const unsigned char *>memory + self.page_bytes
        # An earlier reader may have been here: go on where it stopped.
        self.committed = self.position = self.end = load_acquire(self.consumer)
        return 0

    cdef int give_up(self, str what) except -1:
        cdef int number = errno
        self.unmap()
        return fail(-number, f"{what} of {self.name}", ("CAP_BPF",))

    # ------------------------------------------------------------ C level
    cdef bint begin(self) noexcept nogil:
        """Look how far the kernel has come; True when there may be something to read."""
        if self.producer == NULL:
            return False
        self.end = load_acquire(self.producer)
        return self.position != self.end

    cdef const unsigned char *next(self, uint32_t *length) noexcept nogil:
        """The next record of the run, NULL at its end or at one still being written."""
        cdef const unsigned char *header
        cdef uint32_t word
        while self.position != self.end:
            header = self.records + (self.position & self.mask)
            word = load_acquire_32(<const uint32_t *>header)
            if word & <uint32_t>lib.BPF_RINGBUF_BUSY_BIT:
                return NULL
            length[0] = word & ~<uint32_t>lib.BPF_RINGBUF_DISCARD_BIT
            # The kernel rounds header and record up to eight bytes.
            self.position += (<unsigned long>length[0] + lib.BPF_RINGBUF_HDR_SZ + 7) & ~7ul
            if not word & <uint32_t>lib.BPF_RINGBUF_DISCARD_BIT:
                return header + lib.BPF_RINGBUF_HDR_SZ
        return NULL

    cdef void commit(self) noexcept nogil:
        """Give the space of all walked records back to the kernel."""
        if self.consumer != NULL and self.position != self.committed:
            self.committed = self.position
            store_release(self.consumer, self.position)

    # ------------------------------------------------------------ Python level
    @property
    def fill_bytes(self):
        """Bytes between the reader and the writer, headers included."""
        cdef unsigned long done
        self.require_open()
        # The reader's position first: the other way round, it might overtake the writer's.
        done = load_acquire(self.consumer)
        return load_acquire(self.producer) - done

    @property
    def closed(self):
        return self.consumer == NULL

    def fileno(self):
        """For poll and epoll: readable while the ring is not drained.

        Records submitted with BPF_RB_NO_WAKEUP wake no sleeper: wait with a time-out.
        """
        self.require_open()
        return self.descriptor

    def wait(self, double timeout_s):
        """Sleep until the ring is readable, at most `timeout_s`; True when it is.

        A signal ends the sleep early.
        """
        cdef pollfd entry
        cdef int result
        # Rounded up: a short time-out must not turn into none.
        cdef int timeout_ms = <int>min(max(ceil(timeout_s * 1000), 0.0), <double>INT_MAX)
        self.require_open()
        entry.fd = self.descriptor
        entry.events = POLLIN
        entry.revents = 0
        with nogil:
            result = poll(&entry, 1, timeout_ms)
        if result < 0 and errno != EINTR:
            fail(-errno, f"waiting for {self.name}")
        return result > 0

    def lease(self, max_bytes=None):
        """Borrow the run of records that is there: `with ring.lease() as records: for …`.

        After at least one record, the run ends when `max_bytes` are walked. Leaving the block
        gives the space of the records that were iterated over back to the kernel, in one step,
        and the views of them become unusable. If the program still holds slices of views (or
        other objects over their memory), the space can't be given back: the end of the block
        raises LeaseError, and the lease ends by itself when the last of them is released.
        """
        cdef Lease lease
        self.require_open()
        if self.lease_open is not None:
            raise LeaseError(f"{self.name}: the earlier lease has not ended")
        if max_bytes is not None and max_bytes <= 0:
            raise ValueError(f"max_bytes must be positive, not {max_bytes}")
        lease = Lease.__new__(Lease)
        lease.ring = self
        lease.views = []
        lease.bytes_left = self.capacity if max_bytes is None else max_bytes
        return lease

    def close(self):
        """Unmap; calling it again does nothing."""
        if self.lease_open is not None:
            raise LeaseError(f"{self.name}: a lease has not ended")
        self.unmap()

    def __enter__(self):
        self.require_open()
        return self

    def __exit__(self, *exception):
        self.close()

    def __repr__(self):
        state = "closed" if self.closed else f"{self.capacity} bytes"
        return f"<RingBuffer {self.name} {state}>"

    def __del__(self):
        if self.consumer != NULL:
            warnings.warn(f"unclosed ring buffer {self.name}", ResourceWarning, stacklevel=2)

    def __dealloc__(self):
        # Nobody holds a view: views keep their lease alive, and leases their ring.
        self.unmap()

    cdef int require_open(self) except -1:
        if self.consumer == NULL:
            raise ObjectClosed(f"ring buffer {self.name} is closed")
        return 0

    cdef void unmap(self) noexcept:
        if self.producer != NULL:
            munmap(<void *>self.producer, self.page_bytes + 2 * self.capacity)
        if self.consumer != NULL:
            munmap(self.consumer, self.page_bytes)
        if self.descriptor >= 0:
            close(self.descriptor)
        self.producer = NULL
        self.records = NULL
        self.consumer = NULL
        self.descriptor = -1


# no_gc_clear: the garbage collector must not take the ring from a lease whose views still point
# into it. Cycles through a lease are broken at the ring.
@cython.no_gc_clear
cdef class Lease:
    """A borrowed run of records, iterable once: see RingBuffer.lease().

    The lease itself exports the memory of every view, so CPython tells it of each view, slice
    and other consumer that goes; the space returns to the kernel only when all have gone.
    """

    def __init__(self):
        raise TypeError("leases come from RingBuffer.lease()")

    def __enter__(self):
        if self.ring is None:
            raise TypeError("leases come from RingBuffer.lease()")
        if self.entered:
            raise LeaseError(f"{self.ring.name}: a lease is entered once")
        self.ring.require_open()
        if self.ring.lease_open is not None:
            raise LeaseError(f"{self.ring.name}: the earlier lease has not ended")
        self.ring.lease_open = self
        self.entered = True
        self.start = self.ring.position
        self.ring.begin()
        return self

    def __iter__(self):
        return self

    def __next__(self):
        cdef unsigned long before
        if not self.entered or self.ended:
            raise LeaseError("leased records are read inside the with block")
        before = self.ring.position
        if self.bytes_left == 0:
            raise StopIteration
        self.record = self.ring.next(&self.length)
        self.bytes_left -= min(self.bytes_left, self.ring.position - before)
        if self.record == NULL:
            raise StopIteration
        view = PyMemoryView_FromObject(self)
        self.record = NULL
        self.views.append(view)
        return view

    def __exit__(self, kind, error, traceback):
        cdef list views = self.views
        if not self.entered or self.ended:
            return
        self.ended = True
        self.views = []
        for view in views:
            try:
                view.release()
            except BufferError:
                pass  # somebody else's buffer over the view: counted in exports
        if self.exports == 0:
            self.finish()
        elif kind is None:
            raise LeaseError(
                f"{self.ring.name}: {self.exports} views of leased records are still held",
                hint="copy what must outlive the lease with bytes()")

    cdef void finish(self) noexcept:
        self.ring.commit()
        self.ring.lease_open = None

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        # Only __next__ makes views, one per record.
        if self.record == NULL:
            raise BufferError("a lease has no buffer of its own, its records have")
        if flags & PyBUF_WRITABLE:
            raise BufferError("records are read-only")
        buffer.obj = self
        buffer.buf = <void *>self.record
        buffer.len = self.length
        buffer.itemsize = 1
        buffer.readonly = 1
        buffer.ndim = 1
        buffer.format = NULL
        if flags & PyBUF_FORMAT:
            buffer.format = UNSIGNED_BYTE
        buffer.internal = NULL
        buffer.shape = NULL
        buffer.strides = NULL
        buffer.suboffsets = NULL
        if flags & PyBUF_ND:
            # A shape must live as long as the buffer, and each record has its own length.
            buffer.shape = &buffer.len
        if flags & PyBUF_STRIDES == PyBUF_STRIDES:
            buffer.strides = &buffer.itemsize
        self.exports += 1

    def __releasebuffer__(self, Py_buffer *buffer):
        self.exports -= 1
        if self.ended and self.exports == 0:
            self.finish()
