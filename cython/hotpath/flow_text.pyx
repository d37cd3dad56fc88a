# SPDX-License-Identifier: Apache-2.0
# cython: language_level=3, cdivision=True
"""The part of a document that is the same for every packet of a flow, from its flow_key.

    "network":{…},"source":{…},"destination":{…},"observer":{…},"packet":{"hook":"tc",

The packet object stays open: the fields that vary follow. Every member is written with a comma
behind it; closing an object turns its last comma into the brace.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from hotpath.community_id cimport write_community_id
from hotpath.event cimport (
    DIRECTION_EGRESS,
    DIRECTION_INGRESS,
    FLOW_HAS_ICMP,
    FLOW_HAS_INNER_VLAN,
    FLOW_HAS_MAC,
    FLOW_HAS_PORTS,
    FLOW_HAS_VLAN,
    HOOK_SOCKET,
    HOOK_TC,
    HOOK_XDP,
    NETWORK_ARP,
    NETWORK_IPV4,
    NETWORK_IPV6,
    flow_key,
)
from hotpath.partitioner cimport java_murmur2
from hotpath.text cimport put, put_u32


cdef extern from *:
    """
    /*
     * The longest text there can be, written out: the proof that an entry holds
     * every flow. (An ethertype is shown only where there is no IP, ICMP's type
     * and code only where there are no ports; both are shorter than what they
     * stand in for.)
     */
    #define FLOW_TEXT_LONGEST \\
        "'network':{'type':'ipv6','transport':'ipv6-icmp','iana_number':'255'," \\
        "'community_id':'1:0123456789012345678901234567','direction':'ingress'," \\
        "'vlan':{'id':'65535'},'inner':{'vlan':{'id':'65535'}}}," \\
        "'source':{'ip':'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff','port':65535," \\
        "'mac':'FF-FF-FF-FF-FF-FF'}," \\
        "'destination':{'ip':'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff','port':65535," \\
        "'mac':'FF-FF-FF-FF-FF-FF'}," \\
        "'observer':{'ingress':{'interface':{'name':" \\
        "'012345678901234567890123456789012345678901234'}}}," \\
        "'packet':{'hook':'socket',"

    _Static_assert(sizeof(FLOW_TEXT_LONGEST) <= FLOW_TEXT_CAPACITY, "flow text");
    """


# Keywords of IANA's protocol numbers, in lower case as ECS asks; none: the number alone is told.
cdef inline const char *transport_keyword(uint8_t protocol) noexcept nogil:
    if protocol == 6:
        return b"tcp"
    if protocol == 17:
        return b"udp"
    if protocol == 1:
        return b"icmp"
    if protocol == 58:
        return b"ipv6-icmp"
    if protocol == 132:
        return b"sctp"
    if protocol == 2:
        return b"igmp"
    if protocol == 4:
        return b"ipv4"
    if protocol == 33:
        return b"dccp"
    if protocol == 41:
        return b"ipv6"
    if protocol == 46:
        return b"rsvp"
    if protocol == 47:
        return b"gre"
    if protocol == 50:
        return b"esp"
    if protocol == 51:
        return b"ah"
    if protocol == 88:
        return b"eigrp"
    if protocol == 89:
        return b"ospfigp"
    if protocol == 103:
        return b"pim"
    if protocol == 108:
        return b"ipcomp"
    if protocol == 112:
        return b"vrrp"
    if protocol == 115:
        return b"l2tp"
    if protocol == 136:
        return b"udplite"
    return NULL


cdef char *put_ipv4(char *out, const uint8_t *address) noexcept nogil:
    cdef int i
    for i in range(4):
        out = put_u32(out, address[i])
        out[0] = b"."
        out += 1
    return out - 1


cdef inline char *put_hex_group(char *out, uint32_t group) noexcept nogil:
    """Lower case, no leading zeros."""
    cdef const char *digits = b"0123456789abcdef"
    cdef int shift = 12
    while shift and not group >> shift:
        shift -= 4
    while shift >= 0:
        out[0] = digits[(group >> shift) & 15]
        out += 1
        shift -= 4
    return out


cdef char *put_ipv6(char *out, const uint8_t *address) noexcept nogil:
    """RFC 5952, with the last 32 bits of an IPv4-mapped address in dotted form (its section 5)."""
    cdef uint32_t group[8]
    cdef int i, run = 0, longest = 1, longest_start = -1  # a single zero group is not shortened
    for i in range(8):
        group[i] = (<uint32_t>address[2 * i] << 8) | address[2 * i + 1]
    if group[5] == 0xFFFF and (group[0] | group[1] | group[2] | group[3] | group[4]) == 0:
        return put_ipv4(put(out, b"::ffff:"), address + 12)
    for i in range(8):
        run = 0 if group[i] else run + 1
        if run > longest:
            longest = run
            longest_start = i - run + 1
    i = 0
    while i < 8:
        if i == longest_start:
            out = put(out, b"::")
            i += longest
            continue
        if i and i != longest_start + longest:
            out[0] = b":"
            out += 1
        out = put_hex_group(out, group[i])
        i += 1
    return out


cdef char *put_mac(char *out, const uint8_t *address) noexcept nogil:
    cdef const char *digits = b"0123456789ABCDEF"
    cdef int i
    for i in range(6):
        out[0] = digits[address[i] >> 4]
        out[1] = digits[address[i] & 15]
        out[2] = b"-"
        out += 3
    return out - 1


cdef inline char *close_object(char *out, char *members, char *start) noexcept nogil:
    """End the object whose members begin at `members`; one without members is taken back."""
    if out == members:
        return start
    out[-1] = b"}"
    out[0] = b","
    return out + 1


cdef inline char *put_vlan(char *out, uint16_t vlan_id) noexcept nogil:
    return put(put_u32(put(out, b'"vlan":{"id":"'), vlan_id), b'"},')


cdef char *put_network(char *out, flow_entry *entry, uint16_t seed) noexcept nogil:
    cdef const flow_key *key = &entry.key
    cdef char *start = out
    cdef char *members = put(out, b'"network":{')
    cdef const char *keyword = NULL
    out = members
    entry.key_length = 0
    if key.network == NETWORK_IPV4 or key.network == NETWORK_IPV6:
        out = put(out, b'"type":"ipv4",' if key.network == NETWORK_IPV4 else b'"type":"ipv6",')
        keyword = transport_keyword(key.protocol)
        if keyword != NULL:
            out = put(put(put(out, b'"transport":"'), keyword), b'",')
        out = put(put_u32(put(out, b'"iana_number":"'), key.protocol), b'",')
        out = put(out, b'"community_id":"')
        entry.key_text = out
        entry.key_length = write_community_id(key, seed, out)
        entry.key_hash = java_murmur2(out, entry.key_length)
        out = put(out + entry.key_length, b'",')
    elif key.network == NETWORK_ARP:
        out = put(out, b'"type":"arp",')
    if key.direction == DIRECTION_INGRESS:
        out = put(out, b'"direction":"ingress",')
    elif key.direction == DIRECTION_EGRESS:
        out = put(out, b'"direction":"egress",')
    if key.flags & FLOW_HAS_VLAN:
        out = put_vlan(out, key.vlan_id)
    if key.flags & FLOW_HAS_INNER_VLAN:
        out = put_vlan(put(out, b'"inner":{'), key.inner_vlan_id)
        out[-1] = b"}"
        out = put(out, b",")
    return close_object(out, members, start)


cdef inline char *put_endpoint(char *out, char *start, const flow_key *key, const uint8_t *ip,
                               uint16_t port, const uint8_t *mac) noexcept nogil:
    """The members of source or destination, whose opening ends at `out`."""
    cdef char *members = out
    if key.network == NETWORK_IPV6:
        out = put(put_ipv6(put(out, b'"ip":"'), ip), b'",')
    elif key.network == NETWORK_IPV4 or key.network == NETWORK_ARP:
        out = put(put_ipv4(put(out, b'"ip":"'), ip + 12), b'",')
    if key.flags & FLOW_HAS_PORTS:
        out = put(put_u32(put(out, b'"port":'), port), b",")
    if key.flags & FLOW_HAS_MAC:
        out = put(put_mac(put(out, b'"mac":"'), mac), b'",')
    return close_object(out, members, start)


cdef char *put_observer(char *out, const flow_key *key, const interface_name *name) noexcept nogil:
    if name == NULL:
        return out
    if key.direction == DIRECTION_INGRESS:
        out = put(out, b'"observer":{"ingress":{"interface":{"name":"')
    elif key.direction == DIRECTION_EGRESS:
        out = put(out, b'"observer":{"egress":{"interface":{"name":"')
    else:
        return out
    memcpy(out, name.text, name.length)
    return put(out + name.length, b'"}}},')


cdef char *put_packet(char *out, const flow_key *key) noexcept nogil:
    cdef const char *digits = b"0123456789abcdef"
    cdef int shift
    out = put(out, b'"packet":{')
    if key.hook == HOOK_TC:
        out = put(out, b'"hook":"tc",')
    elif key.hook == HOOK_XDP:
        out = put(out, b'"hook":"xdp",')
    elif key.hook == HOOK_SOCKET:
        out = put(out, b'"hook":"socket",')
    if (key.ethertype and key.network != NETWORK_IPV4 and key.network != NETWORK_IPV6
            and key.network != NETWORK_ARP):
        out = put(out, b'"ethertype":"0x')
        for shift in range(12, -1, -4):
            out[0] = digits[(key.ethertype >> shift) & 15]
            out += 1
        out = put(out, b'",')
    if key.flags & FLOW_HAS_ICMP and not key.flags & FLOW_HAS_PORTS:
        out = put_u32(put(out, b'"icmp":{"type":'), key.endpoints.source_port)
        out = put_u32(put(out, b',"code":'), key.endpoints.destination_port)
        out = put(out, b"},")
    return out


cdef void write_flow_text(
    flow_entry *entry, const interface_name *name, uint16_t seed
) noexcept nogil:
    """Write text, record key and its hash of an entry whose flow key is set."""
    cdef const flow_key *key = &entry.key
    cdef char *out = put_network(entry.text, entry, seed)
    cdef char *start = out
    out = put_endpoint(put(out, b'"source":{'), start, key, key.endpoints.source_ip,
                       key.endpoints.source_port, key.source_mac)
    start = out
    out = put_endpoint(put(out, b'"destination":{'), start, key, key.endpoints.destination_ip,
                       key.endpoints.destination_port, key.destination_mac)
    out = put_observer(out, key, name)
    out = put_packet(out, key)
    entry.text_length = <uint16_t>(out - entry.text)
