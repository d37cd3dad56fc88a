# SPDX-License-Identifier: Apache-2.0
# cython: auto_pickle=False, nonecheck=True
"""BPF objects (one ELF file each) and their programs."""
from cpython.buffer cimport PyBUF_SIMPLE, Py_buffer, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.errno cimport errno
from libc.stdint cimport uint32_t
from libc.string cimport memcpy, memset

from pybpf cimport _libbpf as lib
from pybpf._core cimport ObjectHandle, fail, start_messages, take_messages
from pybpf._map cimport Map

import os
import sys
from types import MappingProxyType

from pybpf._info import ProgramInfo
from pybpf.errors import NotFound, PybpfError, SizeError, StateError, error_from_errno, load_error

# What XDP may add at the front and the kernel gives back in a test run, and then some.
cdef enum:
    TEST_RUN_HEADROOM = 512


cdef class Object:
    """One BPF ELF file: open, adjust, load, use, close.

    Not thread-safe before load(); afterwards its programs and maps may be used from several
    threads, close() from one after the others have ended. Links and ring buffers made from its
    programs and maps live on after close(): the kernel counts its own references.
    """

    def __init__(self):
        raise TypeError("objects come from Object.open()")

    @classmethod
    def open(cls, path):
        """Read the ELF file at `path`; nothing goes to the kernel before load()."""
        cdef Object self = cls.__new__(cls)
        cdef bytes path_bytes = os.fsencode(path)
        cdef const char *c_path = path_bytes
        cdef ObjectHandle handle = ObjectHandle()
        cdef int number
        handle.name = os.fsdecode(path_bytes)
        start_messages()
        with nogil:
            handle.pointer = lib.bpf_object__open_file(c_path, NULL)
            number = errno
        messages = take_messages()
        if handle.pointer == NULL:
            raise error_from_errno(number, f"opening {handle.name}", (), messages)
        self.handle = handle
        self._programs = MappingProxyType(read_programs(handle))
        self._maps = MappingProxyType(read_maps(handle))
        return self

    @property
    def programs(self):
        """The programs by their C name."""
        self.handle.require_open()
        return self._programs

    @property
    def maps(self):
        """The maps by their C name, without the compiler's own (.rodata, .bss, …)."""
        self.handle.require_open()
        return self._maps

    @property
    def closed(self):
        return self.handle.pointer == NULL

    @property
    def loaded(self):
        return self.handle.loaded

    def set_rodata(self, str name, value):
        """Give the `const volatile` variable `name` its value, before load().

        An int must fit the variable; bytes must have its size.
        """
        cdef lib.btf_var_secinfo *variable = NULL
        cdef lib.bpf_map *section = NULL
        cdef size_t section_size = 0
        cdef char *memory
        cdef bytes raw
        self.handle.require_unloaded(f"the value of {name}")
        find_rodata(self.handle, name, &section, &variable)
        if variable == NULL:
            raise NotFound(f"{self.handle.name}: no read-only variable {name}")
        memory = <char *>lib.bpf_map__initial_value(section, &section_size)
        if memory == NULL or variable.offset + <size_t>variable.size > section_size:
            raise PybpfError(f"{self.handle.name}: the type information of {name} is not valid")
        raw = as_bytes(name, value, variable.size)
        memcpy(memory + variable.offset, PyBytes_AS_STRING(raw), variable.size)

    def set_max_entries(self, str map_name, int count):
        """Resize a map before load(): Map.set_max_entries by name."""
        if map_name not in self.maps:
            raise NotFound(f"{self.handle.name}: no map {map_name}")
        self._maps[map_name].set_max_entries(count)

    def load(self):
        """Make the maps and have the kernel check and take the programs."""
        cdef lib.bpf_object *pointer
        cdef int result
        self.handle.require_unloaded("a load")
        self.handle.load_tried = True
        pointer = self.handle.pointer
        start_messages()
        with nogil:
            result = lib.bpf_object__load(pointer)
        messages = take_messages()
        if result < 0:
            types = {name: program.type for name, program in self._programs.items()}
            raise load_error(-result, self.handle.name, messages, types)
        self.handle.loaded = True

    def close(self):
        """Close the descriptors of programs and maps; calling it again does nothing."""
        self.handle.close()

    def __enter__(self):
        self.handle.require_open()
        return self

    def __exit__(self, *exception):
        self.close()

    def __repr__(self):
        state = "closed" if self.closed else "loaded" if self.handle.loaded else "open"
        return f"<Object {self.handle.name} {state}>"


cdef dict read_programs(ObjectHandle handle):
    cdef dict programs = {}
    cdef lib.bpf_program *pointer = lib.bpf_object__next_program(handle.pointer, NULL)
    cdef Program program
    while pointer != NULL:
        program = Program.from_object(handle, pointer)
        programs[program._name] = program
        pointer = lib.bpf_object__next_program(handle.pointer, pointer)
    return programs


cdef dict read_maps(ObjectHandle handle):
    cdef dict maps = {}
    cdef lib.bpf_map *pointer = lib.bpf_object__next_map(handle.pointer, NULL)
    cdef Map map
    while pointer != NULL:
        if not lib.bpf_map__is_internal(pointer):
            map = Map.from_object(handle, pointer)
            maps[map._name] = map
        pointer = lib.bpf_object__next_map(handle.pointer, pointer)
    return maps


cdef int find_rodata(ObjectHandle handle, str name, lib.bpf_map **section,
                     lib.btf_var_secinfo **variable) except -1:
    """Look `name` up in .rodata and .rodata.*, whose maps libbpf calls <object>.rodata…"""
    cdef lib.btf *types = lib.bpf_object__btf(handle.pointer)
    cdef const lib.btf_type *datasec
    cdef lib.btf_var_secinfo *entries
    cdef lib.bpf_map *candidate
    cdef bytes wanted = name.encode()
    cdef bytes section_name
    cdef int id
    cdef uint32_t index
    if types == NULL:
        raise NotFound(f"{handle.name}: no type information (BTF), compile with -g")
    candidate = lib.bpf_object__next_map(handle.pointer, NULL)
    while candidate != NULL:
        section_name = lib.bpf_map__name(candidate)
        start = section_name.find(b".rodata")
        if lib.bpf_map__is_internal(candidate) and start >= 0:
            id = lib.btf__find_by_name_kind(types, section_name[start:], lib.BTF_KIND_DATASEC)
            if id > 0:
                datasec = lib.btf__type_by_id(types, id)
                entries = lib.btf_var_secinfos(datasec)
                for index in range(lib.btf_vlen(datasec)):
                    if wanted == lib.btf__name_by_offset(
                            types, lib.btf__type_by_id(types, entries[index].type).name_off):
                        section[0] = candidate
                        variable[0] = &entries[index]
                        return 0
        candidate = lib.bpf_object__next_map(handle.pointer, candidate)
    return 0


cdef bytes as_bytes(str name, object value, uint32_t size):
    cdef bytes raw
    if isinstance(value, (bytes, bytearray, memoryview)):
        raw = bytes(value)
        if <size_t>len(raw) != size:
            raise SizeError(f"{name} has {size} bytes, not {len(raw)}")
        return raw
    if not isinstance(value, int):
        raise TypeError(f"{name}: an int, a bool or bytes, not {type(value).__name__}")
    if isinstance(value, bool) and size != 1:
        raise SizeError(f"{name} has {size} bytes, it is no bool")
    try:
        return int(value).to_bytes(size, sys.byteorder, signed=value < 0)
    except OverflowError:
        raise SizeError(f"{name} has {size} bytes, {value} does not fit") from None


cdef class Program:
    """One program of an object; from Object.programs. Thread-safety as Object says."""

    def __init__(self):
        raise TypeError("programs come from Object.programs")

    @staticmethod
    cdef Program from_object(ObjectHandle handle, lib.bpf_program *pointer):
        cdef Program self = Program.__new__(Program)
        self.handle = handle
        self.pointer = pointer
        self._name = lib.bpf_program__name(pointer).decode()
        self._section = lib.bpf_program__section_name(pointer).decode()
        return self

    cdef int descriptor(self) except -1:
        cdef int fd
        self.handle.require_open()
        fd = lib.bpf_program__fd(self.pointer)
        if fd < 0:
            if self.handle.loaded:
                raise StateError(f"program {self._name} was not loaded: its autoload is off")
            raise StateError(f"program {self._name} is not loaded")
        return fd

    @property
    def name(self):
        return self._name

    @property
    def section(self):
        return self._section

    @property
    def type(self):
        """As libbpf names it: "xdp", "sched_cls", "socket_filter", …"""
        self.handle.require_open()
        cdef const char *name = lib.libbpf_bpf_prog_type_str(lib.bpf_program__type(self.pointer))
        return name.decode() if name != NULL else "unknown"

    @property
    def fd(self):
        """The descriptor; it stays the program's."""
        return self.descriptor()

    @property
    def autoload(self):
        self.handle.require_open()
        return lib.bpf_program__autoload(self.pointer)

    def set_autoload(self, bint value):
        """Whether load() loads this program."""
        self.handle.require_unloaded(f"autoload of {self._name}")
        check(lib.bpf_program__set_autoload(self.pointer, value), f"autoload of {self._name}")

    @property
    def flags(self):
        """BPF_F_… flags of the load."""
        self.handle.require_open()
        return lib.bpf_program__flags(self.pointer)

    def set_flags(self, uint32_t flags):
        self.handle.require_unloaded(f"flags of {self._name}")
        check(lib.bpf_program__set_flags(self.pointer, flags), f"flags of {self._name}")

    def set_type(self, str kind):
        """Another type than the section name says."""
        cdef int number = 1
        cdef const char *name
        self.handle.require_unloaded(f"type of {self._name}")
        while True:
            name = lib.libbpf_bpf_prog_type_str(<lib.bpf_prog_type>number)
            if name == NULL:
                raise NotFound(f"no program type {kind!r}")
            if name.decode() == kind:
                break
            number += 1
        check(lib.bpf_program__set_type(self.pointer, <lib.bpf_prog_type>number),
              f"type of {self._name}")

    def test_run(self, data, *, ctx=None, int repeat=1, output_bytes=None):
        """Run the program over `data` (and its context `ctx`) without any network.

        `output_bytes` is the room for the packet as the program leaves it; None takes what the
        input suggests, 0 leaves data_out empty and is fastest.
        """
        cdef int fd = self.descriptor()
        cdef lib.bpf_test_run_opts options
        cdef Py_buffer data_buffer
        cdef Py_buffer ctx_buffer
        cdef bytes data_out = b""
        cdef bytes ctx_out = b""
        cdef bint with_ctx = ctx is not None
        cdef Py_ssize_t room
        cdef int result
        cdef TestRunResult outcome
        memset(&options, 0, sizeof(options))
        options.sz = sizeof(options)
        options.repeat = repeat
        PyObject_GetBuffer(data, &data_buffer, PyBUF_SIMPLE)
        try:
            options.data_in = data_buffer.buf
            options.data_size_in = <uint32_t>data_buffer.len
            room = data_buffer.len + TEST_RUN_HEADROOM if output_bytes is None else output_bytes
            if room > 0:
                data_out = PyBytes_FromStringAndSize(NULL, room)
                options.data_out = PyBytes_AS_STRING(data_out)
                options.data_size_out = <uint32_t>room
            if with_ctx:
                PyObject_GetBuffer(ctx, &ctx_buffer, PyBUF_SIMPLE)
                options.ctx_in = ctx_buffer.buf
                options.ctx_size_in = <uint32_t>ctx_buffer.len
                ctx_out = PyBytes_FromStringAndSize(NULL, ctx_buffer.len)
                options.ctx_out = PyBytes_AS_STRING(ctx_out)
                options.ctx_size_out = <uint32_t>ctx_buffer.len
            with nogil:
                result = lib.bpf_prog_test_run_opts(fd, &options)
        finally:
            if with_ctx and options.ctx_in != NULL:
                PyBuffer_Release(&ctx_buffer)
            PyBuffer_Release(&data_buffer)
        if result < 0:
            fail(result, f"test run of {self._name} over {options.data_size_in} bytes",
                 ("CAP_BPF", "CAP_NET_ADMIN"))
        outcome = TestRunResult.__new__(TestRunResult)
        outcome.retval = options.retval
        outcome.duration_ns = options.duration
        outcome.data_out = data_out[:options.data_size_out] if room > 0 else data_out
        outcome.ctx_out = ctx_out[:options.ctx_size_out] if with_ctx else ctx_out
        return outcome

    def info(self):
        """What the kernel knows of the loaded program, its run statistics among it."""
        cdef lib.bpf_prog_info info
        cdef uint32_t length = sizeof(info)
        cdef int fd = self.descriptor()
        cdef int result
        memset(&info, 0, sizeof(info))
        with nogil:
            result = lib.bpf_obj_get_info_by_fd(fd, &info, &length)
        if result < 0:
            fail(result, f"information on {self._name}")
        return ProgramInfo(
            id=info.id, name=(<char *>info.name).decode(), tag=(<char *>info.tag)[:8].hex(),
            run_time_ns=info.run_time_ns, run_count=info.run_cnt,
            recursion_misses=info.recursion_misses)

    def __repr__(self):
        return f"<Program {self._name} in {self._section}>"


cdef int check(int result, str operation) except -1:
    if result < 0:
        fail(result, operation)
    return 0


cdef class TestRunResult:
    """What a test run gave: the program's return value, time per run, packet and context after."""

    def __init__(self):
        raise TypeError("results come from Program.test_run()")

    def __repr__(self):
        return (f"TestRunResult(retval={self.retval}, duration_ns={self.duration_ns}, "
                f"data_out={len(self.data_out)} bytes, ctx_out={len(self.ctx_out)} bytes)")
