# SPDX-License-Identifier: Apache-2.0
"""Questions to the running kernel; features.py gives them names and remembers the answers."""
from libc.errno cimport ENODEV
from libc.stdint cimport uint32_t
from libc.string cimport memset

from pybpf cimport _libbpf as lib
from pybpf._core cimport fail, start_messages, take_messages

cdef extern from "<unistd.h>" nogil:
    int close_descriptor "close"(int fd)

cdef extern from *:
    """
    #include <linux/bpf.h>

    static const struct bpf_insn pybpf_return_zero[] = {
        { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
        { .code = BPF_JMP | BPF_EXIT },
    };

    static struct bpf_insn pybpf_call(int helper)
    {
        return (struct bpf_insn){ .code = BPF_JMP | BPF_CALL, .imm = helper };
    }
    """
    const lib.bpf_insn *pybpf_return_zero
    lib.bpf_insn pybpf_call(int helper) nogil

# What the helpers' numbers and the flags are in linux/bpf.h of today; headers may be older.
cdef enum:
    NO_SUCH_INTERFACE = 0x7fffffff
    TCX_INGRESS = 46

cdef tuple REFUSALS = ("invalid func ", "unknown func ", "cannot use helper ")
cdef dict TYPES = {
    "socket_filter": lib.BPF_PROG_TYPE_SOCKET_FILTER,
    "sched_cls": lib.BPF_PROG_TYPE_SCHED_CLS,
    "xdp": lib.BPF_PROG_TYPE_XDP,
}
cdef dict MAPS = {"ringbuf": lib.BPF_MAP_TYPE_RINGBUF}


cdef int load_smallest(lib.bpf_prog_type type, uint32_t flags) noexcept nogil:
    """A descriptor of `return 0;`, or the negative error number."""
    cdef lib.bpf_prog_load_opts options
    memset(&options, 0, sizeof(options))
    options.sz = sizeof(options)
    options.prog_flags = flags
    return lib.bpf_prog_load(type, b"pybpf_probe", b"Apache-2.0", pybpf_return_zero, 2, &options)


def program(str kind, uint32_t flags=0):
    """0 when `return 0;` loads with these flags, else the error number."""
    cdef lib.bpf_prog_type number = TYPES[kind]
    cdef int fd
    start_messages()
    with nogil:
        fd = load_smallest(number, flags)
        if fd >= 0:
            close_descriptor(fd)
    take_messages()
    return 0 if fd >= 0 else -fd


def helper(str kind, int number):
    """Whether programs of this type may call the helper.

    The verifier is asked about a bare call. That mostly fails for want of arguments, so its
    words decide. (The probe of libbpf 1.1 does the same, but does not know today's kernels' words
    for a helper that is there for other program types only, and takes them for a yes.)
    """
    cdef lib.bpf_prog_type program_type = TYPES[kind]
    cdef lib.bpf_prog_load_opts options
    cdef lib.bpf_insn instructions[2]
    cdef char log[4096]
    cdef int fd
    instructions[0] = pybpf_call(number)
    instructions[1] = pybpf_return_zero[1]
    log[0] = 0
    memset(&options, 0, sizeof(options))
    options.sz = sizeof(options)
    options.log_buf = log
    options.log_size = sizeof(log)
    options.log_level = 1
    with nogil:
        fd = lib.bpf_prog_load(program_type, b"pybpf_probe", b"GPL", instructions, 2, &options)
        if fd >= 0:
            close_descriptor(fd)
    if fd >= 0:
        return True
    said = (<char *>log).decode("utf-8", "replace")
    if not said:
        fail(fd, f"asking the kernel for helper {number}", ("CAP_BPF",))
    return not any(words in said for words in REFUSALS)


def map_type(str kind):
    """Whether the kernel makes maps of this type."""
    cdef lib.bpf_map_type number = MAPS[kind]
    cdef int result
    start_messages()
    with nogil:
        result = lib.libbpf_probe_bpf_map_type(number, NULL)
    take_messages()
    if result < 0:
        fail(result, f"asking the kernel for maps of type {kind}", ("CAP_BPF",))
    return result == 1


def tcx():
    """0 when the kernel would make TCX links, else the error number.

    The link is asked for on an interface that cannot be there: a kernel with TCX misses the
    interface (ENODEV), one without does not know the kind of link (EINVAL).
    """
    cdef int fd
    cdef int result
    start_messages()
    with nogil:
        fd = result = load_smallest(lib.BPF_PROG_TYPE_SCHED_CLS, 0)
        if fd >= 0:
            result = lib.bpf_link_create(fd, NO_SUCH_INTERFACE,
                                         <lib.bpf_attach_type>TCX_INGRESS, NULL)
            close_descriptor(fd)
            if result >= 0:
                close_descriptor(result)
    take_messages()
    return 0 if result >= 0 or result == -ENODEV else -result
