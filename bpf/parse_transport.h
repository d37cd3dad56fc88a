/* SPDX-License-Identifier: GPL-2.0-only */
/* TCP, UDP, SCTP, ICMP and ICMPv6. */
#ifndef STREAMER_PARSE_TRANSPORT_H
#define STREAMER_PARSE_TRANSPORT_H

#include <linux/in.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>

#include "cursor.h"

#define SCTP_HEADER_BYTES 12
#define ICMP_HEADER_BYTES 8

struct ports {
	__be16 source;
	__be16 destination;
};

struct icmp_start {
	__u8 type;
	__u8 code;
};

static __always_inline void set_payload(struct packet_event *event, __u32 length)
{
	event->payload_length = length;
	event->parse |= PARSE_HAS_PAYLOAD;
}

static __always_inline void set_ports(struct packet_event *event, __be16 source,
				      __be16 destination)
{
	event->key.endpoints.source_port = bpf_ntohs(source);
	event->key.endpoints.destination_port = bpf_ntohs(destination);
	event->key.flags |= FLOW_HAS_PORTS;
}

/* The ports alone: all of SCTP's header that is used, and what is left of the
 * others when they are cut. */
static __always_inline int parse_ports(struct cursor *cursor, struct packet_event *event)
{
	struct ports ports;

	if (peek(cursor, &ports, sizeof(ports)))
		return stop(event, PARSE_TRUNCATED);
	set_ports(event, ports.source, ports.destination);
	return 0;
}

static __always_inline void parse_tcp(struct cursor *cursor, struct packet_event *event)
{
	__u32 flags, header_length;
	struct tcphdr tcp;

	if (peek(cursor, &tcp, sizeof(tcp))) {
		parse_ports(cursor, event);
		stop(event, PARSE_TRUNCATED);
		return;
	}
	set_ports(event, tcp.source, tcp.dest);
	flags = bpf_ntohl(tcp_flag_word(&tcp));
	event->tcp_flags = flags >> 16 & 0x1ff;
	event->tcp_seq = bpf_ntohl(tcp.seq);
	event->tcp_ack = bpf_ntohl(tcp.ack_seq);
	event->tcp_window = bpf_ntohs(tcp.window);
	event->parse |= PARSE_HAS_TCP;

	header_length = (flags >> 28) * 4;
	if (header_length < sizeof(tcp)) {
		event->parse |= PARSE_BAD_TRANSPORT_HEADER;
	} else if (header_length > rest(cursor) && !(event->parse & PARSE_FRAGMENT)) {
		event->parse |= PARSE_BAD_TRANSPORT_HEADER;
		header_length = rest(cursor);
	}
	skip(cursor, header_length, event);
	set_payload(event, rest(cursor));
}

static __always_inline void parse_udp(struct cursor *cursor, struct packet_event *event)
{
	struct udphdr udp;
	__u32 length;

	if (peek(cursor, &udp, sizeof(udp))) {
		parse_ports(cursor, event);
		stop(event, PARSE_TRUNCATED);
		return;
	}
	set_ports(event, udp.source, udp.dest);
	length = bpf_ntohs(udp.len);
	if (length == 0) /* a super-packet of 64 KiB or more */
		length = rest(cursor);
	/* a first fragment tells the length of the whole datagram */
	if (length < sizeof(udp) || (length > rest(cursor) && !(event->parse & PARSE_FRAGMENT))) {
		event->parse |= PARSE_BAD_TRANSPORT_HEADER;
		length = rest(cursor);
	}
	cursor->at->offset += sizeof(udp);
	set_payload(event, length - sizeof(udp));
}

static __always_inline void parse_sctp(struct cursor *cursor, struct packet_event *event)
{
	if (parse_ports(cursor, event))
		return;
	skip(cursor, SCTP_HEADER_BYTES, event);
	set_payload(event, rest(cursor));
}

static __always_inline void parse_icmp(struct cursor *cursor, struct packet_event *event)
{
	struct icmp_start icmp;

	if (peek(cursor, &icmp, sizeof(icmp))) {
		stop(event, PARSE_TRUNCATED);
		return;
	}
	event->key.endpoints.source_port = icmp.type;
	event->key.endpoints.destination_port = icmp.code;
	event->key.flags |= FLOW_HAS_ICMP;
	skip(cursor, ICMP_HEADER_BYTES, event);
	set_payload(event, rest(cursor));
}

static __always_inline void parse_transport(struct cursor *cursor, struct packet_event *event,
					    int protocol)
{
	/* only the first fragment has the transport header */
	if (event->fragment & FRAGMENT_OFFSET_MASK) {
		set_payload(event, rest(cursor));
		return;
	}
	switch (protocol) {
	case IPPROTO_TCP:
		parse_tcp(cursor, event);
		break;
	case IPPROTO_UDP:
		parse_udp(cursor, event);
		break;
	case IPPROTO_SCTP:
		parse_sctp(cursor, event);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		parse_icmp(cursor, event);
		break;
	default:
		set_payload(event, rest(cursor));
	}
}

#endif
