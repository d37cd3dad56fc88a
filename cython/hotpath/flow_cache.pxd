# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp

from hotpath.event cimport flow_key


cdef extern from * nogil:
    """
    #include <stdint.h>
    #include <string.h>

    enum { FLOW_TEXT_CAPACITY = 554 };

    /*
     * Both factors are masked with secrets, so that nobody who sends packets
     * can choose keys that meet in the table.
     */
    static inline uint64_t flow_hash_pair(uint64_t a, uint64_t b)
    {
        unsigned __int128 product = (unsigned __int128)a * b;

        return (uint64_t)product ^ (uint64_t)(product >> 64);
    }

    static inline uint32_t flow_hash(const void *key, const uint64_t *secret)
    {
        uint64_t word[8], sum;

        memcpy(word, key, sizeof(word));
        sum = flow_hash_pair(word[0] ^ secret[0], word[1] ^ secret[1]) +
              flow_hash_pair(word[2] ^ secret[2], word[3] ^ secret[3]) +
              flow_hash_pair(word[4] ^ secret[4], word[5] ^ secret[5]) +
              flow_hash_pair(word[6] ^ secret[6], word[7] ^ secret[7]);
        return (uint32_t)(sum ^ (sum >> 32));
    }
    """
    enum: FLOW_TEXT_CAPACITY
    uint32_t flow_hash(const void *key, const uint64_t *secret) noexcept


cdef struct flow_entry:  # 640 bytes, ten cache lines
    flow_key key
    const char *key_text  # of the Kafka record: a part of the text
    uint32_t key_hash  # Java's murmur2 of it
    uint32_t hash  # of the flow key, in this table
    uint16_t key_length  # 0: no record key
    uint16_t text_length
    uint16_t used_since_looked  # by the hand that evicts
    char text[FLOW_TEXT_CAPACITY]


cdef struct index_entry:
    uint32_t hash
    uint32_t number  # of the flow entry plus one; 0: free


cdef struct flow_table:
    flow_entry *entries
    index_entry *index  # linear probing, never more than half full
    uint32_t index_mask
    uint32_t capacity
    uint32_t count
    uint32_t hand  # the entry to be looked at next when one must go
    uint64_t secret[8]
    uint64_t hits
    uint64_t misses
    uint64_t evictions


cdef inline flow_entry *find_flow(
    flow_table *table, const flow_key *key, uint32_t hash
) noexcept nogil:
    """The flow's entry, or NULL."""
    cdef uint32_t place = hash & table.index_mask
    cdef flow_entry *entry
    while table.index[place].number:
        if table.index[place].hash == hash:
            entry = &table.entries[table.index[place].number - 1]
            if memcmp(&entry.key, key, sizeof(flow_key)) == 0:
                table.hits += 1
                if not entry.used_since_looked:  # a write that says nothing new costs a cache line
                    entry.used_since_looked = 1
                return entry
        place = (place + 1) & table.index_mask
    return NULL


cdef class FlowCache:
    cdef flow_table table
    cdef Py_ssize_t memory_bytes

    cdef flow_entry *add(self, const flow_key *key, uint32_t hash) noexcept nogil
    cdef void forget_all(self) noexcept nogil
    cdef void remove_from_index(self, uint32_t number) noexcept nogil
    cdef uint32_t evict(self) noexcept nogil
    cdef const flow_key *raw_key(self, bytes key) except NULL
