# SPDX-License-Identifier: Apache-2.0
"""bpf/event.h for Cython: the only Python-side file that knows the record's layout."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "event.h" nogil:
    enum: PACKET_EVENT_VERSION

    enum record_kind:
        RECORD_PACKET

    enum hook:
        HOOK_TC
        HOOK_XDP
        HOOK_SOCKET

    enum direction:
        DIRECTION_UNKNOWN
        DIRECTION_INGRESS
        DIRECTION_EGRESS

    enum network:
        NETWORK_NONE
        NETWORK_IPV4
        NETWORK_IPV6
        NETWORK_ARP

    enum flow_flags:
        FLOW_HAS_MAC
        FLOW_HAS_VLAN
        FLOW_HAS_INNER_VLAN
        FLOW_HAS_PORTS
        FLOW_HAS_ICMP

    enum parse_flags:
        PARSE_TRUNCATED
        PARSE_FRAGMENT
        PARSE_IP_OPTIONS
        PARSE_IPV6_EXTENSIONS
        PARSE_UNKNOWN_ETHERTYPE
        PARSE_VLAN_DEPTH
        PARSE_EXTENSION_DEPTH
        PARSE_BAD_IP_HEADER
        PARSE_BAD_IP_LENGTH
        PARSE_BAD_TRANSPORT_HEADER
        PARSE_UNKNOWN_ARP
        PARSE_HAS_TCP
        PARSE_HAS_IP
        PARSE_HAS_ID
        PARSE_HAS_PAYLOAD

    enum: FRAGMENT_OFFSET_MASK
    enum: FRAGMENT_MORE

    struct record_header:
        uint8_t kind
        uint8_t version
        uint16_t length
        uint32_t cpu
        uint64_t sequence

    struct endpoints:
        uint8_t source_ip[16]
        uint8_t destination_ip[16]
        uint16_t source_port
        uint16_t destination_port

    struct flow_key:
        endpoints endpoints
        uint8_t source_mac[6]
        uint8_t destination_mac[6]
        uint32_t ifindex
        uint16_t vlan_id
        uint16_t inner_vlan_id
        uint16_t ethertype
        uint16_t flags
        uint8_t network
        uint8_t protocol
        uint8_t hook
        uint8_t direction

    struct packet_event:
        record_header header
        uint64_t timestamp_ns
        uint32_t wire_length
        uint32_t payload_length
        flow_key key
        uint8_t ttl
        uint8_t tos
        uint16_t tcp_flags
        uint32_t ip_id
        uint32_t tcp_seq
        uint32_t tcp_ack
        uint16_t tcp_window
        uint16_t segments
        uint16_t fragment
        uint16_t parse
