# SPDX-License-Identifier: Apache-2.0
# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""From the ring to sealed batches, in one native thread.

Nothing between the ring and the published batch holds the GIL or makes a Python object. One cycle:
look how far the kernel has come, walk a bounded run of records, encode each straight into the open
batch of its partition, give the run's space back, seal what is full or old, publish.
"""

import threading

cimport cython
from cpython.exc cimport PyErr_SetFromErrno
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy

from hotpath cimport _linux as linux
from hotpath._linux cimport CLOCK_MONOTONIC, CLOCK_THREAD_CPUTIME_ID, clock_ns, eventfd_write
from hotpath._linux cimport pthread_mutex_lock, pthread_mutex_unlock
from hotpath.batcher cimport Batcher, batcher_counts
from hotpath.cpu_sequences cimport MAX_CPUS, check_sequence, init_sequences
from hotpath.event cimport PACKET_EVENT_VERSION, RECORD_PACKET, packet_event, record_header
from hotpath.json_encoder cimport EventEncoder
from hotpath.sealed_batch cimport append_all, batch_list, give_back_all, take_all, to_objects
from pybpf._ring cimport RingBuffer

from hotpath.pump_counters import PumpCounters

cdef enum:
    # After this much of a run its space goes back to the kernel, and what was counted and sealed
    # becomes visible.
    MAX_RUN_BYTES = 128 * 1024
    RING_RECORD_HEADER_BYTES = 8
    # A pump that finds fewer events than this waits longer and longer, up to the time below. Few
    # events wait with it, which is cheaper than to wake for each; many cross the kernel's
    # threshold, and that wakes the pump.
    BUSY_EVENTS = 64
    MAX_IDLE_TIMEOUT_MS = 50
    BUSY_RECORD_TIMEOUT_MS = 1
    PAUSED_TIMEOUT_MS = 100

REJECTION_REASONS = ("unknown_kind", "unknown_version", "bad_length", "bad_cpu")


@cython.no_gc_clear  # its end needs what it refers to
cdef class Pump:
    """Drains one ring into sealed batches."""

    def __cinit__(self, *args: object, **kwargs: object) -> None:
        self.published_fd = self.control_fd = self.epoll_fd = -1
        linux.pthread_mutex_init(&self.encoder_mutex, NULL)
        linux.pthread_mutex_init(&self.mutex, NULL)

    def __init__(
        self,
        RingBuffer ring not None,
        EventEncoder encoder not None,
        *,
        partitions: int = 1,
        framing: str = "kafka",
        compression: str = "lz4",
        batch_bytes: int | None = None,
        linger_ns: int = 200_000_000,
        memory_bytes: int = 64 * 1024 * 1024,
        poll_timeout_ms: int = 10,
        name: str = "pump-0",
    ) -> None:
        cdef bytes short_name = name.encode()[:15]
        if self.batcher is not None:
            raise RuntimeError("a pump is initialised once")
        if not 1 <= poll_timeout_ms <= 1000:
            raise ValueError(f"poll_timeout_ms must be 1 to 1000, not {poll_timeout_ms}")
        self.batcher = Batcher(
            encoder,
            partitions=partitions,
            framing=framing,
            compression=compression,
            batch_bytes=batch_bytes,
            linger_ns=linger_ns,
            memory_bytes=memory_bytes,
        )
        self.ring = ring
        self.encoder = encoder
        self.poll_timeout_ms = self.idle_timeout_ms = poll_timeout_ms
        self.run_bytes = min(MAX_RUN_BYTES, ring.capacity // 4)
        self.name = name
        memcpy(self.thread_name, <const char *>short_name, len(short_name))
        # A ring that somebody read from before goes on from where it is.
        if init_sequences(&self.sequences, ring.position == 0):
            raise MemoryError
        self.open_descriptors()

    def __dealloc__(self) -> None:
        if self.batcher is not None:
            give_back_all(self.published, self.batcher.pool)
        free(self.sequences.expected)
        for descriptor in (self.published_fd, self.control_fd, self.epoll_fd):
            if descriptor >= 0:
                linux.close(descriptor)
        linux.pthread_mutex_destroy(&self.mutex)
        linux.pthread_mutex_destroy(&self.encoder_mutex)

    cdef object open_descriptors(self):
        cdef linux.epoll_event event
        self.published_fd = linux.eventfd(0, linux.EFD_CLOEXEC | linux.EFD_NONBLOCK)
        self.control_fd = linux.eventfd(0, linux.EFD_CLOEXEC | linux.EFD_NONBLOCK)
        self.epoll_fd = linux.epoll_create1(linux.EPOLL_CLOEXEC)
        if self.published_fd < 0 or self.control_fd < 0 or self.epoll_fd < 0:
            PyErr_SetFromErrno(OSError)
        for descriptor in (self.ring.fileno(), self.control_fd, self.batcher.pool.released_fd):
            # Edge-triggered: a ring that is not drained stays readable, and one write to an
            # linux.eventfd wakes once without being read.
            event.events = linux.EPOLLIN | <uint32_t>linux.EPOLLET
            event.data.fd = descriptor
            if linux.epoll_ctl(self.epoll_fd, linux.EPOLL_CTL_ADD, descriptor, &event):
                PyErr_SetFromErrno(OSError)

    # ------------------------------------------------------------ without the GIL
    cdef void run(self) noexcept nogil:
        """The thread: drain until told to stop and the ring is empty, or the deadline is over."""
        cdef linux.sigset_t signals
        cdef pump_requests requests
        cdef run_end end
        linux.sigfillset(&signals)
        linux.pthread_sigmask(linux.SIG_BLOCK, &signals, NULL)  # Python's main thread takes them
        linux.prctl(linux.PR_SET_NAME, self.thread_name)
        self.cpu_mark_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID)
        while True:
            # Before the ring is looked at: empty after the request, it stays empty.
            requests = self.look_at_requests(False)
            self.now_ns = clock_ns(CLOCK_MONOTONIC)
            end = self.cycle()
            if requests.stop and (end == RUN_EMPTY or self.now_ns >= requests.stop_deadline_ns):
                break
            if end != RUN_BOUND:
                self.wait(end, requests.stop_deadline_ns if requests.stop else INT64_MAX)
        # What was drained is sealed even beyond the memory's bound: it is in memory anyway.
        self.batcher.seal_all(True)
        self.publish()
        self.finished = True
        eventfd_write(self.published_fd, 1)

    cdef run_end cycle(self) noexcept nogil:
        """One run over the ring, and what is due after it."""
        cdef run_end end = RUN_EMPTY
        cdef bint readable = self.ring.begin()
        # After begin(): what was asked for before a packet came holds for this packet.
        cdef pump_requests requests = self.look_at_requests(True)
        self.utc_offset_ns = requests.utc_offset_ns
        if self.batcher.counts.paused:
            self.batcher.resume()
        if readable and not self.batcher.counts.paused:
            end = self.drain()
        if requests.flush:
            self.batcher.seal_all(False)
        self.batcher.seal_due(self.now_ns)
        self.publish()
        return RUN_PAUSED if self.batcher.counts.paused else end

    cdef void wait(self, run_end end, int64_t stop_deadline_ns) noexcept nogil:
        """Sleep until the kernel, another thread or the clock has something."""
        cdef linux.epoll_event events[4]
        cdef int timeout_ms
        cdef int64_t due_ns = stop_deadline_ns
        if self.counts.drained - self.drained_before_wait >= BUSY_EVENTS:
            self.idle_timeout_ms = self.poll_timeout_ms
        elif self.idle_timeout_ms < MAX_IDLE_TIMEOUT_MS:
            self.idle_timeout_ms = min(2 * self.idle_timeout_ms, MAX_IDLE_TIMEOUT_MS)
        self.drained_before_wait = self.counts.drained
        timeout_ms = self.idle_timeout_ms
        if end == RUN_PAUSED:
            timeout_ms = PAUSED_TIMEOUT_MS
        else:
            due_ns = min(due_ns, self.batcher.next_due_ns())
            if end == RUN_BUSY:
                timeout_ms = BUSY_RECORD_TIMEOUT_MS
        # Rounded up, lest the rest of a millisecond be spent turning.
        due_ns = max(due_ns - self.now_ns, 0)
        if due_ns < <int64_t>timeout_ms * 1_000_000:
            timeout_ms = <int>((due_ns + 999_999) // 1_000_000)
        linux.epoll_wait(self.epoll_fd, events, 4, timeout_ms)

    cdef run_end drain(self) noexcept nogil:
        cdef const unsigned char *record
        cdef uint32_t length
        cdef size_t walked = 0
        cdef run_end end = RUN_BOUND
        pthread_mutex_lock(&self.encoder_mutex)
        while walked < self.run_bytes and not self.batcher.counts.paused:
            record = self.ring.next(&length)
            if record is NULL:
                if self.ring.position != self.ring.end:
                    end = RUN_BUSY
                break
            walked += length + RING_RECORD_HEADER_BYTES
            self.take_record(record, length)
        pthread_mutex_unlock(&self.encoder_mutex)
        self.ring.commit()
        return end

    cdef void take_record(self, const unsigned char *record, uint32_t length) noexcept nogil:
        cdef const record_header *header = <const record_header *>record
        self.counts.drained += 1
        if length < sizeof(record_header):
            self.counts.rejected[REJECTED_LENGTH] += 1
            return
        if header.cpu >= MAX_CPUS:
            self.counts.rejected[REJECTED_CPU] += 1
            return
        check_sequence(&self.sequences, header.cpu, header.sequence)
        if header.kind != RECORD_PACKET:
            self.counts.rejected[REJECTED_KIND] += 1
        elif header.version != PACKET_EVENT_VERSION:
            self.counts.rejected[REJECTED_VERSION] += 1
        elif header.length > length or header.length < sizeof(packet_event):
            self.counts.rejected[REJECTED_LENGTH] += 1
        else:
            self.batcher.add(<const packet_event *>record, self.utc_offset_ns, self.now_ns)

    cdef void publish(self) noexcept nogil:
        """Make batches and counters visible together, and wake whoever takes."""
        cdef int64_t cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID)
        cdef bint wake = self.batcher.sealed.first is not NULL
        self.counts.sequence_gaps = self.sequences.gaps
        self.counts.sequence_repeats = self.sequences.repeats
        self.counts.cpu_ns += cpu_ns - self.cpu_mark_ns
        self.cpu_mark_ns = cpu_ns
        pthread_mutex_lock(&self.mutex)
        wake = wake and self.published.first is NULL
        append_all(&self.published, &self.batcher.sealed)
        self.published_counts = self.counts
        self.published_batcher_counts = self.batcher.counts
        pthread_mutex_unlock(&self.mutex)
        if wake:
            eventfd_write(self.published_fd, 1)

    cdef pump_requests look_at_requests(self, bint take_flush) noexcept nogil:
        cdef pump_requests requests
        pthread_mutex_lock(&self.mutex)
        requests = self.requests
        if take_flush:
            self.requests.flush = False
        pthread_mutex_unlock(&self.mutex)
        return requests

    # ------------------------------------------------------------ for Python
    @property
    def running(self) -> bool:
        """Whether the thread pumps."""
        return self.thread is not None and not self.finished

    def start(self) -> None:
        """Start the thread. The ring is the pump's until stop(): it can't be leased or closed."""
        self.require_not_running()
        if self.stopped:
            raise RuntimeError(f"{self.name} was stopped")
        self.ring.require_open()
        if self.ring.lease_open is not None:
            raise RuntimeError("the ring is leased")
        # A daemon: an interpreter that ends without stop() must not wait for it.
        thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self.ring.lease_open = self
        try:
            thread.start()
        except BaseException:
            self.ring.lease_open = None
            raise
        self.thread = thread

    def _run(self) -> None:
        with nogil:
            self.run()

    def stop(self, deadline_s: float = 10.0) -> None:
        """Drain the ring until it is empty, seal everything, end the thread."""
        if self.thread is None and not self.stopped:
            self.step(self.now_ns)
            with nogil:
                self.batcher.seal_all(True)
                self.publish()
        self.request_stop(deadline_s)
        self.join()

    def request_stop(self, deadline_s: float = 10.0) -> None:
        """Begin stop() and return at once."""
        cdef int64_t deadline_ns = clock_ns(CLOCK_MONOTONIC) + <int64_t>(max(deadline_s, 0) * 1e9)
        pthread_mutex_lock(&self.mutex)
        if not self.requests.stop:
            self.requests.stop = True
            self.requests.stop_deadline_ns = deadline_ns
        pthread_mutex_unlock(&self.mutex)
        self.stopped = True
        eventfd_write(self.control_fd, 1)

    def join(self) -> None:
        """Wait for the end that request_stop() asked for."""
        thread = self.thread
        if thread is None:
            return
        thread.join()
        self.ring.lease_open = None
        self.thread = None

    def step(self, now_ns: int) -> int:
        """Drain what the ring holds on this thread, as if it were now_ns; returns the records."""
        cdef int64_t now = now_ns
        cdef uint64_t before = self.counts.drained
        self.require_not_running()
        self.ring.require_open()
        with nogil:
            self.now_ns = now
            self.cpu_mark_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID)
            while self.cycle() == RUN_BOUND:
                pass
        return self.counts.drained - before

    def flush(self) -> None:
        """Seal the open batches: the thread soon, without a thread at once."""
        if self.running:
            pthread_mutex_lock(&self.mutex)
            self.requests.flush = True
            pthread_mutex_unlock(&self.mutex)
            eventfd_write(self.control_fd, 1)
            return
        with nogil:
            self.cpu_mark_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID)
            if not self.batcher.counts.paused or self.batcher.resume():
                self.batcher.seal_all(False)
            self.publish()

    def take(self) -> list:
        """All batches sealed since the last call, in order."""
        cdef batch_list taken
        cdef uint64_t seen
        pthread_mutex_lock(&self.mutex)
        linux.eventfd_read(self.published_fd, &seen)
        taken = take_all(&self.published)
        self.taken_events = self.published_batcher_counts.sealed_events
        pthread_mutex_unlock(&self.mutex)
        return to_objects(taken, self.batcher.pool)

    def fileno(self) -> int:
        """A descriptor that is readable when there is something to take, or the thread ended."""
        return self.published_fd

    def set_utc_offset_ns(self, utc_offset_ns: int) -> None:
        """What is added to the events' clock to have UTC; holds for what is drained from now."""
        cdef int64_t offset_ns = utc_offset_ns
        pthread_mutex_lock(&self.mutex)
        self.requests.utc_offset_ns = offset_ns
        pthread_mutex_unlock(&self.mutex)

    def set_interface(self, ifindex: int, name: str | bytes) -> None:
        """Name an interface; holds for all packets that come after this returned."""
        # The pump waits meanwhile, also for the GIL if that is contended: that is rare, and the
        # ring holds what comes.
        with nogil:
            pthread_mutex_lock(&self.encoder_mutex)
        try:
            self.encoder.set_interface(ifindex, name)
        finally:
            pthread_mutex_unlock(&self.encoder_mutex)

    def counters(self) -> PumpCounters:
        """One consistent snapshot; from any thread."""
        cdef drain_counts counts
        cdef batcher_counts batcher
        cdef uint64_t taken
        pthread_mutex_lock(&self.mutex)
        counts = self.published_counts
        batcher = self.published_batcher_counts
        taken = self.taken_events
        pthread_mutex_unlock(&self.mutex)
        return PumpCounters(
            drained=counts.drained,
            rejected={reason: counts.rejected[i] for i, reason in enumerate(REJECTION_REASONS)},
            encoded=batcher.encoded,
            open_events=batcher.open_events,
            sealed_events=batcher.sealed_events - taken,
            taken_events=taken,
            sequence_gaps=counts.sequence_gaps,
            sequence_repeats=counts.sequence_repeats,
            pauses=batcher.pauses,
            paused=batcher.paused,
            batches=batcher.batches,
            raw_bytes=batcher.raw_bytes,
            sealed_bytes=batcher.sealed_bytes,
            cpu_ns=counts.cpu_ns,
        )

    @property
    def memory_used_bytes(self) -> int:
        """Memory of sealed batches that were not released."""
        return self.batcher.pool.used_bytes

    cdef object require_not_running(self):
        if self.thread is not None:
            raise RuntimeError(f"{self.name} runs in its own thread")
