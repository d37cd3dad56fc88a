# SPDX-License-Identifier: Apache-2.0
# Every C declaration pybpf uses: libbpf (1.1 and newer), the kernel's UAPI, libc. No logic.
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

cdef extern from "<linux/bpf.h>" nogil:
    cdef enum bpf_prog_type:
        BPF_PROG_TYPE_UNSPEC
        BPF_PROG_TYPE_SOCKET_FILTER
        BPF_PROG_TYPE_SCHED_CLS
        BPF_PROG_TYPE_XDP

    cdef enum bpf_map_type:
        BPF_MAP_TYPE_UNSPEC
        BPF_MAP_TYPE_HASH
        BPF_MAP_TYPE_ARRAY
        BPF_MAP_TYPE_PERF_EVENT_ARRAY
        BPF_MAP_TYPE_PERCPU_HASH
        BPF_MAP_TYPE_PERCPU_ARRAY
        BPF_MAP_TYPE_LRU_PERCPU_HASH
        BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE
        BPF_MAP_TYPE_ARRAY_OF_MAPS
        BPF_MAP_TYPE_RINGBUF
        BPF_MAP_TYPE_USER_RINGBUF

    cdef enum bpf_attach_type:
        BPF_XDP

    cdef enum bpf_stats_type:
        BPF_STATS_RUN_TIME

    enum:
        BPF_ANY
        BPF_NOEXIST
        BPF_EXIST
        BPF_RINGBUF_BUSY_BIT
        BPF_RINGBUF_DISCARD_BIT
        BPF_RINGBUF_HDR_SZ

    cdef struct bpf_insn:
        uint8_t code
        int32_t imm

    cdef struct bpf_prog_info:
        uint32_t type
        uint32_t id
        uint8_t tag[8]
        char name[16]
        uint64_t load_time
        uint32_t created_by_uid
        uint64_t run_time_ns
        uint64_t run_cnt
        uint64_t recursion_misses

    cdef struct bpf_map_info:
        uint32_t type
        uint32_t id
        uint32_t key_size
        uint32_t value_size
        uint32_t max_entries
        uint32_t map_flags
        char name[16]

cdef extern from "<linux/if_link.h>" nogil:
    enum:
        XDP_FLAGS_SKB_MODE
        XDP_FLAGS_DRV_MODE

cdef extern from "<linux/membarrier.h>" nogil:
    enum:
        MEMBARRIER_CMD_GLOBAL

cdef extern from "<bpf/libbpf.h>" nogil:
    cdef struct bpf_object:
        pass
    cdef struct bpf_program:
        pass
    cdef struct bpf_map:
        pass

    bpf_object *bpf_object__open_file(const char *path, const void *opts)
    bpf_object *bpf_object__open_mem(const void *buffer, size_t size, const void *opts)
    int bpf_object__load(bpf_object *obj)
    void bpf_object__close(bpf_object *obj)
    const char *bpf_object__name(const bpf_object *obj)

    bpf_program *bpf_object__next_program(const bpf_object *obj, bpf_program *previous)
    const char *bpf_program__name(const bpf_program *prog)
    const char *bpf_program__section_name(const bpf_program *prog)
    bint bpf_program__autoload(const bpf_program *prog)
    int bpf_program__set_autoload(bpf_program *prog, bint autoload)
    int bpf_program__fd(const bpf_program *prog)
    bpf_prog_type bpf_program__type(const bpf_program *prog)
    int bpf_program__set_type(bpf_program *prog, bpf_prog_type type)
    uint32_t bpf_program__flags(const bpf_program *prog)
    int bpf_program__set_flags(bpf_program *prog, uint32_t flags)

    bpf_map *bpf_object__next_map(const bpf_object *obj, const bpf_map *previous)
    const char *bpf_map__name(const bpf_map *map)
    int bpf_map__fd(const bpf_map *map)
    bpf_map_type bpf_map__type(const bpf_map *map)
    uint32_t bpf_map__max_entries(const bpf_map *map)
    int bpf_map__set_max_entries(bpf_map *map, uint32_t max_entries)
    uint32_t bpf_map__key_size(const bpf_map *map)
    uint32_t bpf_map__value_size(const bpf_map *map)
    bint bpf_map__is_internal(const bpf_map *map)
    void *bpf_map__initial_value(bpf_map *map, size_t *size)

    const char *libbpf_bpf_map_type_str(bpf_map_type type)
    const char *libbpf_bpf_prog_type_str(bpf_prog_type type)
    int libbpf_num_possible_cpus()
    int libbpf_probe_bpf_map_type(bpf_map_type type, const void *opts)

    cdef struct bpf_xdp_query_opts:
        size_t sz
        uint32_t prog_id
        uint32_t drv_prog_id
        uint32_t hw_prog_id
        uint32_t skb_prog_id
        uint8_t attach_mode
    int bpf_xdp_query(int ifindex, int flags, bpf_xdp_query_opts *opts)

cdef extern from "<bpf/bpf.h>" nogil:
    cdef struct bpf_test_run_opts:
        size_t sz
        const void *data_in
        void *data_out
        uint32_t data_size_in
        uint32_t data_size_out
        const void *ctx_in
        void *ctx_out
        uint32_t ctx_size_in
        uint32_t ctx_size_out
        uint32_t retval
        int repeat
        uint32_t duration
    int bpf_prog_test_run_opts(int prog_fd, bpf_test_run_opts *opts)

    cdef struct bpf_map_create_opts:
        size_t sz
        uint32_t inner_map_fd
        uint32_t map_flags
    int bpf_map_create(bpf_map_type type, const char *name, uint32_t key_size,
                       uint32_t value_size, uint32_t max_entries,
                       const bpf_map_create_opts *opts)
    int bpf_map_update_elem(int fd, const void *key, const void *value, uint64_t flags)
    int bpf_map_lookup_elem(int fd, const void *key, void *value)
    int bpf_map_delete_elem(int fd, const void *key)
    int bpf_map_get_next_key(int fd, const void *key, void *next_key)

    cdef struct bpf_prog_load_opts:
        size_t sz
        uint32_t prog_flags
        uint32_t log_level
        uint32_t log_size
        char *log_buf
    int bpf_prog_load(bpf_prog_type type, const char *name, const char *license,
                      const bpf_insn *insns, size_t count, const bpf_prog_load_opts *opts)

    cdef struct bpf_link_create_opts:
        size_t sz
        uint32_t flags
    int bpf_link_create(int prog_fd, int target_fd, bpf_attach_type attach_type,
                        const bpf_link_create_opts *opts)

    # The function below has the same name.
    cdef struct prog_query_opts "bpf_prog_query_opts":
        size_t sz
        uint32_t *prog_ids
        uint32_t prog_cnt
    int bpf_prog_query_opts(int target_fd, bpf_attach_type type, prog_query_opts *opts)

    int bpf_prog_get_fd_by_id(uint32_t id)
    int bpf_obj_get_info_by_fd(int fd, void *info, uint32_t *length)
    int bpf_enable_stats(bpf_stats_type type)

cdef extern from "<bpf/btf.h>" nogil:
    cdef struct btf:
        pass
    cdef struct btf_type:
        uint32_t name_off
        uint32_t size
    cdef struct btf_var_secinfo:
        uint32_t type
        uint32_t offset
        uint32_t size
    enum:
        BTF_KIND_DATASEC
    btf *bpf_object__btf(const bpf_object *obj)
    int32_t btf__find_by_name_kind(const btf *types, const char *name, uint32_t kind)
    const btf_type *btf__type_by_id(const btf *types, uint32_t id)
    const char *btf__name_by_offset(const btf *types, uint32_t offset)
    uint32_t btf_vlen(const btf_type *type)
    btf_var_secinfo *btf_var_secinfos(const btf_type *type)
