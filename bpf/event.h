/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The contract between the kernel programs and user space: what one record in
 * the ring looks like. Included by bpf/ and by cython/hotpath/event.pxd.
 *
 * Every record begins with struct record_header; a reader that does not know
 * a kind or a version skips it by its length. All numbers are in host byte
 * order unless a comment says otherwise; no implicit padding.
 */
#ifndef STREAMER_EVENT_H
#define STREAMER_EVENT_H

#include <linux/types.h>

#define PACKET_EVENT_VERSION 1

enum record_kind {
	RECORD_PACKET = 1,
};

struct record_header {
	__u8 kind;     /* enum record_kind */
	__u8 version;  /* of that kind */
	__u16 length;  /* bytes, this header included */
	__u32 cpu;     /* that made the record */
	__u64 sequence; /* of that CPU: 0, 1, 2 … without a gap */
};

enum hook {
	HOOK_TC = 1,
	HOOK_XDP = 2,
	HOOK_SOCKET = 3,
};

enum direction {
	DIRECTION_UNKNOWN = 0, /* a capture file does not tell */
	DIRECTION_INGRESS = 1,
	DIRECTION_EGRESS = 2,
};

/* flow_key.network: what the addresses are */
enum network {
	NETWORK_NONE = 0, /* no addresses */
	NETWORK_IPV4 = 1,
	NETWORK_IPV6 = 2,
	NETWORK_ARP = 3, /* sender's and target's protocol address */
};

/* flow_key.flags */
enum flow_flags {
	FLOW_HAS_MAC = 1 << 0,
	FLOW_HAS_VLAN = 1 << 1,
	FLOW_HAS_INNER_VLAN = 1 << 2,
	FLOW_HAS_PORTS = 1 << 3, /* source_port and destination_port are ports */
	FLOW_HAS_ICMP = 1 << 4,	 /* they are ICMP or ICMPv6 type and code */
};

/*
 * Everything that stays the same while a flow stays on its path, and the key
 * of every table of flows. IPv4 addresses are IPv4-mapped (RFC 4291, 2.5.5.2);
 * what a packet does not have is zero.
 */
struct endpoints {
	__u8 source_ip[16];	 /* network order */
	__u8 destination_ip[16]; /* network order */
	__u16 source_port;	 /* host order; or ICMP type */
	__u16 destination_port;	 /* host order; or ICMP code */
};

struct flow_key {
	struct endpoints endpoints;
	__u8 source_mac[6];
	__u8 destination_mac[6];
	__u32 ifindex;	   /* 0: not from an interface */
	__u16 vlan_id;	   /* outer tag, 12 bits */
	__u16 inner_vlan_id; /* second tag, 12 bits */
	__u16 ethertype;   /* after the tags, host order; 0: none */
	__u16 flags;	   /* enum flow_flags */
	__u8 network;	   /* enum network */
	__u8 protocol;	   /* IP protocol, as far behind the extension headers as they can be read */
	__u8 hook;	   /* enum hook */
	__u8 direction;	   /* enum direction */
};

/* packet_event.parse: what makes a packet unusual, or why it ends early */
enum parse_flags {
	PARSE_TRUNCATED = 1 << 0,	  /* ends inside a header */
	PARSE_FRAGMENT = 1 << 1,	  /* IPv4 or IPv6 fragment, first or later */
	PARSE_IP_OPTIONS = 1 << 2,	  /* IPv4 header longer than 20 bytes */
	PARSE_IPV6_EXTENSIONS = 1 << 3,	  /* at least one extension header */
	PARSE_UNKNOWN_ETHERTYPE = 1 << 4, /* not IPv4, IPv6 or ARP */
	PARSE_VLAN_DEPTH = 1 << 5,	  /* more than two tags: parsing stopped there */
	PARSE_EXTENSION_DEPTH = 1 << 6,	  /* more extension headers than are followed */
	PARSE_BAD_IP_HEADER = 1 << 7,	  /* version or header length is impossible */
	PARSE_BAD_IP_LENGTH = 1 << 8,	  /* total or payload length disagrees with the headers */
	PARSE_BAD_TRANSPORT_HEADER = 1 << 9, /* TCP data offset or UDP length is impossible */
	PARSE_UNKNOWN_ARP = 1 << 10,	  /* ARP for other addresses than Ethernet and IPv4 */
	PARSE_HAS_TCP = 1 << 12,	  /* not shown: tcp_* fields are set */
	PARSE_HAS_IP = 1 << 13,		  /* not shown: ttl, tos are set */
	PARSE_HAS_ID = 1 << 14,		  /* not shown: ip_id is set */
	PARSE_HAS_PAYLOAD = 1 << 15,	  /* not shown: payload_length is set */
};

#define FRAGMENT_OFFSET_MASK 0x1fff /* in units of 8 bytes */
#define FRAGMENT_MORE 0x2000

struct packet_event {
	struct record_header header;
	__u64 timestamp_ns;   /* CLOCK_BOOTTIME; the capture's UTC in a replay */
	__u32 wire_length;    /* bytes on the wire, VLAN tags and every segment's headers included */
	/*
	 * Bytes after the transport header, as the headers say: of a first UDP
	 * fragment those of the whole datagram. Of a later fragment, and of other
	 * protocols, all bytes after the IP headers.
	 */
	__u32 payload_length;
	struct flow_key key;
	__u8 ttl;	      /* TTL or hop limit */
	__u8 tos;	      /* type of service or traffic class: DSCP << 2 | ECN */
	__u16 tcp_flags;      /* FIN is bit 0 … CWR bit 7, AE bit 8 (RFC 9293, RFC 9768) */
	__u32 ip_id;	      /* IPv4 identification, or the IPv6 fragment header's */
	__u32 tcp_seq;
	__u32 tcp_ack;
	__u16 tcp_window;     /* as sent, not scaled */
	__u16 segments;	      /* wire packets in this skb, at least 1; XDP cannot tell: 1 */
	__u16 fragment;	      /* FRAGMENT_OFFSET_MASK | FRAGMENT_MORE, host order */
	__u16 parse;	      /* enum parse_flags */
};

_Static_assert(sizeof(struct record_header) == 16, "record_header");
_Static_assert(sizeof(struct endpoints) == 36, "endpoints");
_Static_assert(sizeof(struct flow_key) == 64, "flow_key");
_Static_assert(__builtin_offsetof(struct packet_event, key) == 32, "packet_event.key");
_Static_assert(sizeof(struct packet_event) == 120, "packet_event");

#endif
