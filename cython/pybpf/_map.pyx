# SPDX-License-Identifier: Apache-2.0
# cython: auto_pickle=False, nonecheck=True
"""BPF maps: get, set, delete, walk."""
from cpython.buffer cimport PyBUF_SIMPLE, Py_buffer, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.errno cimport ENOENT
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from pybpf cimport _libbpf as lib
from pybpf._core cimport ObjectHandle, fail

import warnings

from pybpf._core import possible_cpus
from pybpf.errors import MapTypeError, ObjectClosed, SizeError, StateError

cdef extern from "<unistd.h>" nogil:
    int close_descriptor "close"(int fd)

cdef tuple NEEDED = ("CAP_BPF",)
cdef dict MODES = {"any": lib.BPF_ANY, "create": lib.BPF_NOEXIST, "replace": lib.BPF_EXIST}


cdef str name_of(lib.bpf_map_type type):
    cdef const char *name = lib.libbpf_bpf_map_type_str(type)
    return name.decode() if name != NULL else f"type {<int>type}"


cdef lib.bpf_map_type type_by_name(str wanted) except <lib.bpf_map_type>-1:
    cdef int number = 1
    cdef const char *name
    while True:
        name = lib.libbpf_bpf_map_type_str(<lib.bpf_map_type>number)
        if name == NULL:
            raise MapTypeError(f"no map type {wanted!r}")
        if name.decode() == wanted:
            return <lib.bpf_map_type>number
        number += 1


cdef class Map:
    """One BPF map; from Object.maps, or of its own from Map.create().

    A map of an object lives as long as the object is open; it keeps the object's memory alive,
    so that use after close is an error and never a crash. All calls may be made from several
    threads at once, close() (the object's, for its maps) from one, after the others have ended.
    """

    def __init__(self):
        raise TypeError("maps come from Object.maps or Map.create()")

    def __cinit__(self, *args):
        self.own_fd = -1

    @staticmethod
    cdef Map from_object(ObjectHandle handle, lib.bpf_map *pointer):
        cdef Map self = Map.__new__(Map)
        self.handle = handle
        self.pointer = pointer
        self._name = lib.bpf_map__name(pointer).decode()
        self._type = lib.bpf_map__type(pointer)
        self._key_size = lib.bpf_map__key_size(pointer)
        self._value_size = lib.bpf_map__value_size(pointer)
        return self

    @staticmethod
    def create(str kind, *, int key_size, int value_size, int max_entries, str name="",
               uint32_t flags=0):
        """A map that belongs to no object; `kind` as libbpf names it ("hash", "ringbuf", …)."""
        cdef Map self = Map.__new__(Map)
        cdef bytes name_bytes = name.encode()
        cdef const char *c_name = name_bytes
        cdef lib.bpf_map_create_opts options
        memset(&options, 0, sizeof(options))
        options.sz = sizeof(options)
        options.map_flags = flags
        self._name = name
        self._type = type_by_name(kind)
        self._key_size = key_size
        self._value_size = value_size
        self._max_entries = max_entries
        with nogil:
            self.own_fd = lib.bpf_map_create(self._type, c_name, self._key_size, self._value_size,
                                             self._max_entries, &options)
        if self.own_fd < 0:
            fail(self.own_fd, f"creating a map of type {kind}", NEEDED)
        return self

    @property
    def name(self):
        return self._name

    @property
    def type(self):
        """As libbpf names it: "hash", "percpu_array", "ringbuf", …"""
        return name_of(self._type)

    @property
    def key_size(self):
        return self._key_size

    @property
    def value_size(self):
        """Bytes of a value; of one CPU's value in a per-CPU map."""
        return self._value_size

    @property
    def max_entries(self):
        """How many entries fit; for a ring buffer its size in bytes."""
        if self.handle is None:
            return self._max_entries
        self.handle.require_open()
        return lib.bpf_map__max_entries(self.pointer)

    @property
    def per_cpu(self):
        """True when each CPU has its own value."""
        return self.is_per_cpu()

    @property
    def fd(self):
        """The descriptor; it stays the map's."""
        return self.descriptor()

    def set_max_entries(self, uint32_t count):
        """Resize before load(). libbpf rounds a ring buffer up to a power of two of pages."""
        if self.handle is None:
            raise StateError(f"map {self._name} exists, its size is fixed")
        self.handle.require_unloaded(f"the size of map {self._name}")
        cdef int result = lib.bpf_map__set_max_entries(self.pointer, count)
        if result < 0:
            fail(result, f"resizing map {self._name} to {count}")

    def get(self, key, *, bint per_cpu=False):
        """The value of `key`, or None; with `per_cpu` a list with that of each possible CPU."""
        cdef int fd = self.descriptor()
        cdef Py_buffer key_buffer
        cdef bytes value
        cdef int result
        self.require_lookups()
        self.require_per_cpu(per_cpu)
        value = PyBytes_FromStringAndSize(NULL, self.value_bytes())
        cdef char *value_pointer = PyBytes_AS_STRING(value)
        self.open_key(key, &key_buffer)
        try:
            with nogil:
                result = lib.bpf_map_lookup_elem(fd, key_buffer.buf, value_pointer)
        finally:
            PyBuffer_Release(&key_buffer)
        if result == -ENOENT:
            return None
        if result < 0:
            fail(result, f"reading map {self._name}", NEEDED)
        return self.split(value) if per_cpu else value

    def set(self, key, value, *, str mode="any"):
        """Store `value` (for a per-CPU map a sequence with one value per possible CPU).

        `mode` "create" fails when the key is there, "replace" when it is not.
        """
        cdef int fd = self.descriptor()
        cdef Py_buffer key_buffer
        cdef Py_buffer value_buffer
        cdef int result
        cdef uint64_t flags
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, not {mode!r}")
        flags = MODES[mode]
        self.require_lookups()
        data = self.join(value) if self.is_per_cpu() else value
        self.open_key(key, &key_buffer)
        try:
            PyObject_GetBuffer(data, &value_buffer, PyBUF_SIMPLE)
            try:
                if <size_t>value_buffer.len != <size_t>self.value_bytes():
                    raise SizeError(f"map {self._name}: a value has {self._value_size} bytes, "
                                    f"not {value_buffer.len}")
                with nogil:
                    result = lib.bpf_map_update_elem(fd, key_buffer.buf, value_buffer.buf, flags)
            finally:
                PyBuffer_Release(&value_buffer)
        finally:
            PyBuffer_Release(&key_buffer)
        if result < 0:
            fail(result, f"writing map {self._name}", NEEDED)

    def delete(self, key):
        """Remove `key`; False when it was not there."""
        cdef int fd = self.descriptor()
        cdef Py_buffer key_buffer
        cdef int result
        self.require_lookups()
        self.open_key(key, &key_buffer)
        try:
            with nogil:
                result = lib.bpf_map_delete_elem(fd, key_buffer.buf)
        finally:
            PyBuffer_Release(&key_buffer)
        if result == -ENOENT:
            return False
        if result < 0:
            fail(result, f"deleting from map {self._name}", NEEDED)
        return True

    def __iter__(self):
        """The keys. A hash that changes meanwhile may give a key twice or leave one out."""
        cdef int result
        cdef int fd
        cdef bytes key = None
        cdef bytes following
        cdef char *key_pointer
        cdef char *following_pointer
        # A walk whose current key is deleted begins again: bounded, or it might never end.
        cdef uint64_t steps_left = 2 * <uint64_t>self.max_entries + 1
        self.require_lookups()
        while steps_left:
            steps_left -= 1
            fd = self.descriptor()
            key_pointer = NULL if key is None else PyBytes_AS_STRING(key)
            following = PyBytes_FromStringAndSize(NULL, self._key_size)
            following_pointer = PyBytes_AS_STRING(following)
            with nogil:
                result = lib.bpf_map_get_next_key(fd, key_pointer, following_pointer)
            if result == -ENOENT:
                return
            if result < 0:
                fail(result, f"walking map {self._name}", NEEDED)
            key = following
            yield key

    def items(self, *, bint per_cpu=False):
        """Key and value of each entry, as get() gives it; what is deleted meanwhile is left out."""
        self.require_per_cpu(per_cpu)
        for key in self:
            value = self.get(key, per_cpu=per_cpu)
            if value is not None:
                yield key, value

    def close(self):
        """Close a map made by Map.create(); a map of an object is closed with it."""
        if self.own_fd >= 0:
            close_descriptor(self.own_fd)
            self.own_fd = -1

    def __enter__(self):
        self.descriptor()
        return self

    def __exit__(self, *exception):
        self.close()

    def __repr__(self):
        return f"<Map {self._name} {self.type}>"

    def __del__(self):
        if self.own_fd >= 0:
            warnings.warn(f"unclosed BPF map {self._name}", ResourceWarning, stacklevel=2)
            self.close()

    cdef int descriptor(self) except -1:
        cdef int fd
        if self.handle is None:
            if self.own_fd < 0:
                raise ObjectClosed(f"map {self._name} is closed")
            return self.own_fd
        self.handle.require_open()
        fd = lib.bpf_map__fd(self.pointer)
        if fd < 0:
            raise StateError(f"map {self._name} does not exist before load()")
        return fd

    cdef bint is_per_cpu(self):
        return self._type in (
            lib.BPF_MAP_TYPE_PERCPU_ARRAY, lib.BPF_MAP_TYPE_PERCPU_HASH,
            lib.BPF_MAP_TYPE_LRU_PERCPU_HASH, lib.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE)

    cdef int require_lookups(self) except -1:
        if self._type in (lib.BPF_MAP_TYPE_RINGBUF, lib.BPF_MAP_TYPE_USER_RINGBUF):
            raise MapTypeError(f"map {self._name} is a {self.type}: it has no keys, "
                               "read it with RingBuffer")
        return 0

    cdef int require_per_cpu(self, bint wanted) except -1:
        if wanted and not self.is_per_cpu():
            raise MapTypeError(f"map {self._name} ({self.type}) has one value for all CPUs")
        if not wanted and self.is_per_cpu():
            raise MapTypeError(f"map {self._name} ({self.type}) has a value per CPU: "
                               "ask with per_cpu=True")
        return 0

    cdef Py_ssize_t slot_bytes(self) noexcept:
        # The kernel rounds each CPU's slot up to eight bytes.
        return (<Py_ssize_t>self._value_size + 7) & ~<Py_ssize_t>7

    cdef Py_ssize_t value_bytes(self) except -1:
        if self.is_per_cpu():
            return self.slot_bytes() * possible_cpus()
        return self._value_size

    cdef int open_key(self, object key, Py_buffer *buffer) except -1:
        PyObject_GetBuffer(key, buffer, PyBUF_SIMPLE)
        if <size_t>buffer.len != self._key_size:
            length = buffer.len
            PyBuffer_Release(buffer)
            raise SizeError(f"map {self._name}: a key has {self._key_size} bytes, not {length}")
        return 0

    cdef list split(self, bytes values):
        cdef Py_ssize_t slot = self.slot_bytes()
        cdef Py_ssize_t start
        return [values[start:start + self._value_size] for start in range(0, len(values), slot)]

    cdef bytes join(self, object values):
        cdef list parts = [bytes(value) for value in values]
        cdef Py_ssize_t slot = self.slot_bytes()
        cdef bytes part
        if len(parts) != possible_cpus():
            raise SizeError(f"map {self._name}: {possible_cpus()} values are needed, one per "
                            f"possible CPU, not {len(parts)}")
        for part in parts:
            if <size_t>len(part) != self._value_size:
                raise SizeError(f"map {self._name}: a value has {self._value_size} bytes, "
                                f"not {len(part)}")
        return b"".join([part.ljust(slot, b"\0") for part in parts])
