# SPDX-License-Identifier: Apache-2.0
# cython: auto_pickle=False, nonecheck=True
"""What all of pybpf stands on: the owner of a bpf_object, libbpf's messages, system calls."""
from libc.errno cimport EINVAL, ENOSYS, EPERM, errno
from libc.stdint cimport uint32_t
from libc.string cimport memset

from pybpf cimport _libbpf as lib

import warnings

from pybpf.errors import ObjectClosed, StateError, error_from_errno

cdef extern from *:
    """
    #include <stdarg.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/syscall.h>
    #include <unistd.h>
    #include <bpf/libbpf.h>

    /*
     * libbpf has one printer per process. Ours keeps what is printed on a
     * thread while that thread is inside one of our calls; everything else
     * goes to the printer that was there before.
     */
    #define PYBPF_MESSAGES_MAX (16u << 20) /* a verifier log can be megabytes */
    static _Thread_local struct {
        int active;
        char *text;
        size_t length, capacity;
    } pybpf_messages;
    static libbpf_print_fn_t pybpf_previous_printer;

    static int pybpf_print(enum libbpf_print_level level, const char *format, va_list arguments)
    {
        va_list again;
        int needed;

        if (!pybpf_messages.active)
            return pybpf_previous_printer
                ? pybpf_previous_printer(level, format, arguments) : 0;
        if (level == LIBBPF_DEBUG)
            return 0;
        va_copy(again, arguments);
        needed = vsnprintf(NULL, 0, format, again);
        va_end(again);
        if (needed <= 0 || pybpf_messages.length + needed + 1 > PYBPF_MESSAGES_MAX)
            return 0;
        if (pybpf_messages.length + needed + 1 > pybpf_messages.capacity) {
            size_t capacity = 2 * (pybpf_messages.length + needed + 1);
            char *text = realloc(pybpf_messages.text, capacity);

            if (!text)
                return 0;
            pybpf_messages.text = text;
            pybpf_messages.capacity = capacity;
        }
        vsnprintf(pybpf_messages.text + pybpf_messages.length, needed + 1, format, arguments);
        pybpf_messages.length += needed;
        return needed;
    }

    static void pybpf_messages_install(void)
    {
        pybpf_previous_printer = libbpf_set_print(pybpf_print);
    }

    static void pybpf_messages_start(void)
    {
        pybpf_messages.length = 0;
        pybpf_messages.active = 1;
    }

    static const char *pybpf_messages_stop(size_t *length)
    {
        pybpf_messages.active = 0;
        *length = pybpf_messages.length;
        return pybpf_messages.text;
    }

    static void pybpf_messages_free(void)
    {
        free(pybpf_messages.text);
        pybpf_messages.text = NULL;
        pybpf_messages.length = pybpf_messages.capacity = 0;
    }

    static int pybpf_membarrier(int command)
    {
        return syscall(SYS_membarrier, command, 0, 0);
    }
    """
    void pybpf_messages_install()
    void pybpf_messages_start() nogil
    const char *pybpf_messages_stop(size_t *length)
    void pybpf_messages_free()
    int pybpf_membarrier(int command) nogil

cdef extern from "<unistd.h>" nogil:
    int close_descriptor "close"(int fd)

pybpf_messages_install()


cdef void start_messages() noexcept nogil:
    pybpf_messages_start()


cdef str take_messages():
    cdef size_t length
    cdef const char *text = pybpf_messages_stop(&length)
    cdef str messages = ""
    if text != NULL:
        messages = text[:length].decode("utf-8", "replace")
        pybpf_messages_free()
    return messages


cdef int fail(int code, str operation, tuple capabilities=()) except -1:
    """Raise the error for libbpf's negative `code`."""
    raise error_from_errno(-code, operation, capabilities)


cdef class ObjectHandle:
    def __init__(self):
        if type(self) is not ObjectHandle:
            raise TypeError("ObjectHandle cannot be subclassed")

    cdef int require_open(self) except -1:
        if self.pointer == NULL:
            raise ObjectClosed(f"{self.name} is closed")
        return 0

    cdef int require_unloaded(self, str what) except -1:
        self.require_open()
        if self.load_tried:
            raise StateError(f"{self.name}: {what} must come before load()")
        return 0

    cdef void close(self) noexcept:
        cdef lib.bpf_object *pointer = self.pointer
        self.pointer = NULL
        self.loaded = False
        if pointer != NULL:
            with nogil:
                lib.bpf_object__close(pointer)

    def __del__(self):
        if self.pointer != NULL:
            warnings.warn(f"unclosed BPF object {self.name}", ResourceWarning, stacklevel=2)
            self.close()

    def __dealloc__(self):
        if self.pointer != NULL:
            lib.bpf_object__close(self.pointer)
            self.pointer = NULL


def possible_cpus():
    """How many CPUs the kernel reserves per-CPU memory for: the length of a per-CPU value."""
    cdef int count = lib.libbpf_num_possible_cpus()
    if count < 0:
        fail(count, "counting the possible CPUs")
    return count


def wait_for_running_programs():
    """Return when no network program that was running at the call is running any more.

    A detached program may still be in the middle of a packet on another CPU. Programs for XDP,
    TC and sockets run inside an RCU read-side section, and MEMBARRIER_CMD_GLOBAL is, in today's
    kernels, one synchronize_rcu(): it waits until all such sections have ended. That is how the
    kernel does it, not what membarrier(2) promises, and with nohz_full CPUs the command does not
    exist. Then, an inner map is replaced in a map of maps instead: the kernel waits for running
    programs before it returns from that, and says so in its source (maybe_wait_bpf_programs).
    """
    cdef int result
    with nogil:
        result = pybpf_membarrier(lib.MEMBARRIER_CMD_GLOBAL)
    if result == 0:
        return
    if errno not in (EINVAL, ENOSYS, EPERM):
        fail(-errno, "membarrier")
    replace_inner_map()


def replace_inner_map():
    """The other way to wait: see wait_for_running_programs()."""
    cdef int inner, outer, result = 0
    cdef uint32_t key = 0
    cdef lib.bpf_map_create_opts options
    cdef tuple needed = ("CAP_BPF",)
    memset(&options, 0, sizeof(options))
    options.sz = sizeof(options)
    with nogil:
        inner = lib.bpf_map_create(lib.BPF_MAP_TYPE_ARRAY, b"pybpf_wait", 4, 4, 1, NULL)
        if inner >= 0:
            options.inner_map_fd = inner
            outer = lib.bpf_map_create(lib.BPF_MAP_TYPE_ARRAY_OF_MAPS, b"pybpf_wait", 4, 4, 1,
                                       &options)
            if outer >= 0:
                result = lib.bpf_map_update_elem(outer, &key, &inner, lib.BPF_ANY)
                close_descriptor(outer)
            else:
                result = outer
            close_descriptor(inner)
        else:
            result = inner
    if result < 0:
        fail(result, "waiting for running programs", needed)
