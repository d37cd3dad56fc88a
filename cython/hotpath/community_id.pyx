# SPDX-License-Identifier: Apache-2.0
# cython: language_level=3, cdivision=True
"""Community ID version 1 (github.com/corelight/community-id-spec).

One text names both directions of a flow.
"""

from libc.stdint cimport uint8_t, uint16_t
from libc.string cimport memcmp, memcpy

from hotpath.event cimport (
    FLOW_HAS_ICMP,
    FLOW_HAS_PORTS,
    NETWORK_IPV4,
    NETWORK_IPV6,
    flow_key,
)


# The low-level functions: the one-shot SHA1() looks its method up each time,
# which costs several times the hash itself. They are called deprecated since
# SHA-1 should not protect anything; here it only names a flow.
cdef extern from *:
    """
    #define OPENSSL_SUPPRESS_DEPRECATED
    #include <openssl/sha.h>
    """


cdef extern from "openssl/sha.h" nogil:
    ctypedef struct SHA_CTX:
        pass
    enum: SHA_DIGEST_LENGTH
    int SHA1_Init(SHA_CTX *context) noexcept
    int SHA1_Update(SHA_CTX *context, const void *data, size_t length) noexcept
    int SHA1_Final(unsigned char *digest, SHA_CTX *context) noexcept


cdef enum:
    PROTOCOL_ICMP = 1
    PROTOCOL_TCP = 6
    PROTOCOL_UDP = 17
    PROTOCOL_ICMPV6 = 58
    PROTOCOL_SCTP = 132

cdef enum:
    ONE_WAY = -1
    LONGEST_INPUT = 2 + 2 * 16 + 2 + 2 * 2

cdef const char *BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


cdef int icmp_counterpart(uint16_t message) noexcept nogil:
    """The type that answers this one (or is answered by it); ONE_WAY if there is none."""
    if message == 0:  # echo
        return 8
    if message == 8:
        return 0
    if message == 9:  # router advertisement and solicitation
        return 10
    if message == 10:
        return 9
    if message == 13 or message == 15 or message == 17:  # timestamp, information, mask
        return message + 1
    if message == 14 or message == 16 or message == 18:
        return message - 1
    return ONE_WAY


cdef int icmpv6_counterpart(uint16_t message) noexcept nogil:
    if message == 128 or message == 130 or message == 144:  # echo, listener, home agent
        return message + 1
    if message == 129 or message == 131 or message == 145:
        return message - 1
    if message == 133 or message == 135 or message == 139:  # router, neighbour, node information
        return message + 1
    if message == 134 or message == 136 or message == 140:
        return message - 1
    return ONE_WAY


cdef void put_base64(const uint8_t *digest, char *out) noexcept nogil:
    """28 characters of the 20 bytes."""
    cdef int i
    cdef unsigned int group
    for i in range(6):
        group = (digest[3 * i] << 16) | (digest[3 * i + 1] << 8) | digest[3 * i + 2]
        out[4 * i] = BASE64[group >> 18]
        out[4 * i + 1] = BASE64[(group >> 12) & 63]
        out[4 * i + 2] = BASE64[(group >> 6) & 63]
        out[4 * i + 3] = BASE64[group & 63]
    group = (digest[18] << 16) | (digest[19] << 8)
    out[24] = BASE64[group >> 18]
    out[25] = BASE64[(group >> 12) & 63]
    out[26] = BASE64[(group >> 6) & 63]
    out[27] = b"="


cdef inline uint8_t *put_u16(uint8_t *out, uint16_t value) noexcept nogil:
    out[0] = value >> 8
    out[1] = value & 0xFF
    return out + 2


cdef void write_id(const uint8_t *source, const uint8_t *destination, size_t address_length,
                   uint8_t protocol, bint has_ports, uint16_t source_port,
                   uint16_t destination_port, uint16_t seed, char *out) noexcept nogil:
    cdef uint8_t data[LONGEST_INPUT]
    cdef uint8_t digest[SHA_DIGEST_LENGTH]
    cdef uint8_t *end
    cdef SHA_CTX context
    cdef bint one_way = False
    cdef int counterpart, order

    if has_ports and (protocol == PROTOCOL_ICMP or protocol == PROTOCOL_ICMPV6):
        if protocol == PROTOCOL_ICMP:
            counterpart = icmp_counterpart(source_port)
        else:
            counterpart = icmpv6_counterpart(source_port)
        if counterpart == ONE_WAY:
            one_way = True
        else:
            destination_port = <uint16_t>counterpart

    order = memcmp(source, destination, address_length)
    if not one_way and (order > 0 or (order == 0 and source_port > destination_port)):
        source, destination = destination, source
        source_port, destination_port = destination_port, source_port

    end = put_u16(data, seed)
    memcpy(end, source, address_length)
    end += address_length
    memcpy(end, destination, address_length)
    end += address_length
    end[0] = protocol
    end[1] = 0
    end += 2
    if has_ports:
        end = put_u16(end, source_port)
        end = put_u16(end, destination_port)

    SHA1_Init(&context)
    SHA1_Update(&context, data, end - data)
    SHA1_Final(digest, &context)
    out[0] = b"1"
    out[1] = b":"
    put_base64(digest, out + 2)


cdef int write_community_id(const flow_key *key, uint16_t seed, char *out) noexcept nogil:
    """Write the flow's Community ID; returns its length, 0 for a flow without IP addresses."""
    cdef size_t skip = 0  # IPv4 addresses are hashed as four bytes
    cdef bint has_ports = False
    if key.network == NETWORK_IPV4:
        skip = 12
    elif key.network != NETWORK_IPV6:
        return 0
    if key.protocol == PROTOCOL_ICMP or key.protocol == PROTOCOL_ICMPV6:
        has_ports = (key.flags & FLOW_HAS_ICMP) != 0
    elif (key.protocol == PROTOCOL_TCP or key.protocol == PROTOCOL_UDP
          or key.protocol == PROTOCOL_SCTP):
        has_ports = (key.flags & FLOW_HAS_PORTS) != 0
    write_id(key.endpoints.source_ip + skip, key.endpoints.destination_ip + skip, 16 - skip,
             key.protocol, has_ports, key.endpoints.source_port, key.endpoints.destination_port,
             seed, out)
    return COMMUNITY_ID_BYTES


def community_id(
    source_ip: bytes,
    destination_ip: bytes,
    protocol: int,
    source_port: int | None,
    destination_port: int | None,
    seed: int = 0,
) -> str:
    """The Community ID of packed addresses; type and code of ICMP go in place of the ports."""
    cdef char out[COMMUNITY_ID_BYTES]
    cdef bint has_ports = source_port is not None
    if len(source_ip) != len(destination_ip) or len(source_ip) not in (4, 16):
        raise ValueError("addresses must both have 4 or both 16 bytes")
    if has_ports != (destination_port is not None):
        raise ValueError("either both ports or none")
    write_id(<const uint8_t *><const char *>source_ip,
             <const uint8_t *><const char *>destination_ip, len(source_ip), protocol, has_ports,
             source_port if has_ports else 0, destination_port if has_ports else 0, seed, out)
    return out[:COMMUNITY_ID_BYTES].decode("ascii")
